"""What cannot hold together is refused: each case breaks the small site in one way and names the one line told."""

from pathlib import Path

import pytest

from tests.config.sites import SITE, changed, told

SECOND_METER = """
[[meter]]
id = "second"
link = "net"
unit_id = 2
profile = "eastron-sdm630"
nominal_ln_v = 230.0
"""
CAP = """
[[rule]]
id = "limits"
kind = "power_cap"
circuit = "hall"
margin_kw = 20
"""
MINERS = """
[[miners]]
id = "b"
circuit = "hall"
family = "cgminer"
hosts = ["127.1.0.60", "127.1.0.61"]
rated_w = 1000
sleep_w = 10
"""

CHANGES = [
    ('parent = "poi"', 'parent = "pio"', 'parent = "pio": there is no [[circuit]] of this id; did you mean "poi"?'),
    (
        'parent = "poi"\n',
        "",
        ':12 [[circuit]] "hall": a second circuit without a parent, after "poi"; write its parent',
    ),
    ('meter = "main"', 'meter = "mian"', 'meter = "mian": there is no [[meter]] of this id; did you mean "main"?'),
    ('parent = "poi"', 'parent = "poi"\nmeter = "main"\nfallback_kw = 9', 'this meter measures circuit "poi" already'),
    ('link = "net"', 'link = "lan"', 'link = "lan": there is no [[link]] of this id; add it, or name one of net'),
    (
        'circuit = "hall"',
        'circuit = "hal"',
        'circuit = "hal": there is no [[circuit]] of this id; did you mean "hall"?',
    ),
    ('meter = "main"\n', "", "no meter on this circuit nor on one above it, so no frequency; give one of them a meter"),
    ("limit_kw = 300", "limit_kw = 1", "limit_kw = 1: below what can be reached: 1.5 kW is the least it can draw"),
    ("unmetered_kw = 10", "unmetered_kw = 399", "limit_kw = 400: below what can be reached: 400.5 kW is the least"),
    ("fallback_kw = 50", "fallback_kw = 11", "fallback_kw = 11: out of reach: 11.5 kW is the least it can draw"),
    ("fallback_kw = 50", "fallback_kw = 500", "fallback_kw = 500: above limit_kw; write 400 or less"),
    ("fallback_kw = 50\n", "", "fallback_kw: missing on a circuit with a meter; add it: where to go when the meter"),
    ("sleep_w = 25", "sleep_w = 3250", "sleep_w = 3250: not below rated_w; write what one miner draws asleep"),
    ("rated_w = 3250\n", "", "rated_w: missing; add it: the watts of one miner; hosts alone don't tell"),
    ('"avalon"', '"avalonn"', 'family = "avalonn": no such family; did you mean "avalon"?'),
    ('"eastron-sdm630"', '"eastron-sdm360"', 'did you mean "eastron-sdm630"?'),
    (
        "shed_below_hz = 49.5",
        "shed_below_hz = 59.7",
        "the site's nominal frequency is 50 Hz; write from 45 to below 50",
    ),
    ("shed_below_hz = 49.5", "shed_below_hz = 50", "the site's nominal frequency is 50 Hz; write from 45 to below 50"),
    (
        "above_hz = 49.9",
        "above_hz = 49.5",
        "not above shed_below_hz: it would return into the fault; write more than 49.5",
    ),
    ("above_hz = 49.9", "above_hz = 50", "at or above nominal: it would hardly ever return; write below 50"),
    ("shed_kw = 100\n", "", "shed_kw: missing, and no to_kw; add it"),
    ("shed_kw = 100", "shed_kw = 100\nto_kw = 50", "to_kw = 50: written beside shed_kw; keep one of the two"),
    ("nominal_hz = 50.0", 'nominal_hz = 50.0\ntimezone = "Mars/Base"', 'timezone = "Mars/Base": no such time zone'),
    (
        "nominal_ln_v = 230.0",
        "nominal_ln_v = 230.0\nslow_ms = 50\nfast_ms = 100",
        "slow_ms = 50: faster than fast_ms (100)",
    ),
    ("nominal_ln_v = 230.0", 'nominal_ln_v = 230.0\nbackup = "main"', 'backup = "main": its own backup'),
    ("tcp://127.0.0.1:5020", "tcp://", 'url = "tcp://": no address in it'),
    ("tcp://127.0.0.1:5020", "tcp://127.0.0.1:0", "port 0; write"),
    ("tcp://127.0.0.1:5020", "tcp://127.0.0.1:99999", "not a URL: Port out of range 0-65535"),
    ("tcp://127.0.0.1:5020", "tcp://[::1", "not a URL: Invalid IPv6 URL"),
    ("tcp://127.0.0.1:5020", "tcp://127.0.0.1:502/x", "more than an address and a port in it"),
    ("mqtt://127.0.0.1:1883", "https://x", 'url = "https://x": not an mqtts:// URL'),
    ("mqtt://127.0.0.1:1883", "mqtt://me:secret@x", "a user name or password in it; take it out: this file holds no"),
    ('1883"', '1883"\nca = "ca.pem"', 'ca = "ca.pem": without effect: mqtt:// is not encrypted; write mqtts://'),
    (
        "mqtt://127.0.0.1:1883",
        'mqtts://x"\ncert = "a.pem',
        'cert = "a.pem": written without key; add key, or take it out',
    ),
    ('1883"', '1883"\nroot = "a/#"', 'root = "a/#": not well formed; use at most three names joined by /'),
]


@pytest.mark.parametrize(("before", "after", "expected"), CHANGES, ids=lambda text: text.strip()[:40])
def test_what_cannot_hold_is_told_once(tmp_path: Path, before: str, after: str, expected: str) -> None:
    lines = told(tmp_path, changed((before, after)))

    assert len(lines) == 1, lines
    assert expected in lines[0]


ADDITIONS = [
    (SECOND_METER.replace("= 2", "= 1"), 'unit_id = 1: the same unit on the same link as meter "main"'),
    (CAP + CAP.replace("limits", "other"), ': rule "limits" is the power_cap rule of this circuit already'),
    (CAP.replace("= 20", "= 300"), "margin_kw = 300: all of limit_kw (300); write much less"),
    (CAP.replace("= 20", "= 299"), "limit_kw = 300: below what can be reached"),
    (MINERS, 'hosts[0] = "127.1.0.60": 1 of these also at site.toml:31; each miner stands once'),
    (MINERS.replace("hosts", 'inventory = "x.csv"\nhosts'), "written beside inventory; keep one of the two"),
    ('[[link]]\nid = "two"\nurl = "tcp://127.0.0.1:5020"', 'the same endpoint as link "net"; one link for'),
    ('[[circuit]]\nid = "site"\nparent = "poi"\nlimit_kw = 9', 'commands call the root circuit "site"'),
    (
        SECOND_METER + 'backup = "third"\n' + SECOND_METER.replace("second", "third").replace("= 2", "= 3")
        + 'backup = "main"\n',
        'backup = "third": meter "third" has a backup itself',
    ),
]  # fmt: skip


@pytest.mark.parametrize(("added", "expected"), ADDITIONS, ids=[expected[:40] for _, expected in ADDITIONS])
def test_what_is_added_must_fit_what_is_there(tmp_path: Path, added: str, expected: str) -> None:
    lines = told(tmp_path, f"{SITE}{added}")

    assert any(expected in line for line in lines), lines


def test_an_id_written_twice_is_told_with_the_first_ones_line(tmp_path: Path) -> None:
    lines = told(tmp_path, changed(('id = "hall"', 'id = "poi"')))

    assert lines[0] == (
        'site.toml:13 [[circuit]] "poi" id = "poi": also the id of the one on line 6; give each its own id'
    )


def test_circuits_in_a_circle_are_each_told(tmp_path: Path) -> None:
    lines = told(
        tmp_path,
        SITE + '[[circuit]]\nid = "x"\nparent = "y"\nlimit_kw = 9\n[[circuit]]\nid = "y"\nparent = "x"\nlimit_kw = 9\n',
    )

    assert [line.split(" parent")[0] for line in lines] == [
        'site.toml:47 [[circuit]] "x"',
        'site.toml:51 [[circuit]] "y"',
    ]


def test_a_frequency_rule_needs_a_meter_with_frequency_and_two_voltages(tmp_path: Path) -> None:
    profile = """
name = "watts-only"
source = "none"
word_order = "big"
base = 0
table = "input"
[[point]]
name = "power_w"
at = 0
kind = "float32"
poll = "fast"
"""
    (tmp_path / "mine.toml").write_text(profile, encoding="utf-8")

    (line,) = told(tmp_path, changed(('"eastron-sdm630"', '"mine.toml"')))

    assert line.endswith(
        'circuit = "poi": meter "main" gives no frequency with two phase voltages; name a circuit whose meter does'
    )


def test_a_circuits_meter_must_measure_power(tmp_path: Path) -> None:
    text = 'name = "hz"\nsource = "x"\nword_order = "big"\nbase = 0\ntable = "input"\n'
    for at, name in enumerate(("frequency_hz", "voltage_l1_v", "voltage_l2_v")):
        text += f'[[point]]\nname = "{name}"\nat = {2 * at}\nkind = "float32"\npoll = "fast"\n'
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")

    (line,) = told(tmp_path, changed(('"eastron-sdm630"', '"mine.toml"')))

    assert line.endswith('meter = "main": its profile has no power_w; name a meter that measures the circuit\'s power')
