"""What a site.toml that holds together becomes: defaults filled in, paths absolute, circuits parents first."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.config import (
    CommandRule,
    ConfigErrors,
    Fault,
    JumpDown,
    PowerCapRule,
    UnderFrequencyRule,
    load,
)
from tests.config.devices import MORE
from tests.config.sites import SITE, changed, written

EXAMPLE = Path(__file__).parents[2] / "docs" / "site.example.toml"


def test_a_small_site_is_filled_in_with_careful_defaults(tmp_path: Path) -> None:
    site = load(written(tmp_path))

    assert (site.site.control, site.site.agent, site.site.timezone) == ("observe", "agent", "UTC")
    assert [circuit.id for circuit in site.circuits] == ["poi", "hall"]
    assert site.circuits[0].ramp_up_kw_per_min == 40.0
    assert site.circuits[1].ramp_up_kw_per_min is None
    assert (site.circuits[0].blind_after_s, site.circuits[0].jump_down_tied_kw) == (5.0, None)
    assert (site.links[0].host, site.links[0].port) == ("127.0.0.1", 5020)
    assert (site.miners[0].min_off_s, site.miners[0].min_on_s, site.miners[0].port) == (300.0, 120.0, 4028)
    assert [host.address for host in site.miners[0].hosts][::59] == ["127.1.0.1", "127.1.0.60"]
    assert (site.telemetry.interval_ms, site.telemetry.spool_mib) == (1000, 512)
    assert site.mqtt is not None
    assert (site.mqtt.host, site.mqtt.port, site.mqtt.tls, site.mqtt.root) == ("127.0.0.1", 1883, False, "ballast")
    assert (site.keys.agent, site.keys.keyring) == (None, "/etc/ballast/keyring.json")


def test_the_three_kinds_of_rule_are_read(tmp_path: Path) -> None:
    text = (
        changed(("shed_kw = 100", 'to_kw = 60\nwhen = "any"\narm = "observe"'))
        + '[[rule]]\nid = "cap"\nkind = "power_cap"\ncircuit = "hall"\nmargin_kw = 5\n'
        + '[[rule]]\nid = "cmd"\nkind = "command"\n'
    )

    frequency, cap, command = load(written(tmp_path, text)).rules

    assert isinstance(frequency, UnderFrequencyRule)
    assert (frequency.to_kw, frequency.shed_kw, frequency.when, frequency.confirm_refreshes) == (60.0, None, "any", 1)
    assert (frequency.release.above_hz, frequency.release.for_s) == (49.9, 5.0)
    assert isinstance(cap, PowerCapRule)
    assert (cap.circuit, cap.margin_kw) == ("hall", 5.0)
    assert isinstance(command, CommandRule)
    assert command.circuit is None


@pytest.mark.parametrize(
    ("control", "arm", "acts"),
    [
        ("observe", "", False),
        ("observe", 'arm = "act"', False),
        ("act", "", True),
        ("act", 'arm = "act"', True),
        ("act", 'arm = "observe"', False),
    ],
)
def test_a_rule_acts_only_where_the_site_does_and_it_is_not_told_to_observe(
    tmp_path: Path, control: str, arm: str, acts: bool
) -> None:
    text = changed(("nominal_hz", f'control = "{control}"\nnominal_hz'), ("shed_kw = 100", f"shed_kw = 100\n{arm}"))

    site = load(written(tmp_path, text))

    assert site.acts(site.rules[0]) is acts


@pytest.mark.parametrize(
    ("written_as", "tied_kw", "island_kw"),
    [("200", 200.0, 200.0), ("{ tied = 150 }", 150.0, 150.0), ("{ tied = 150, island = 9 }", 150.0, 9.0)],
)
def test_the_largest_reduction_is_one_number_or_one_for_each_tie(
    tmp_path: Path, written_as: str, tied_kw: float, island_kw: float
) -> None:
    site = load(written(tmp_path, changed(("limit_kw = 300", f"limit_kw = 300\njump_down_kw = {written_as}"))))

    assert (site.circuits[1].jump_down_tied_kw, site.circuits[1].jump_down_island_kw) == (tied_kw, island_kw)
    assert isinstance(site.circuits[1].jump_down_kw, JumpDown) is written_as.startswith("{")


def test_circuits_stand_parents_first_however_they_are_written(tmp_path: Path) -> None:
    hall = SITE[SITE.index('[[circuit]]\nid = "hall"') : SITE.index("[[link]]")]
    text = SITE.replace(hall, "").replace("[[circuit]]", f"{hall}[[circuit]]")

    assert [circuit.id for circuit in load(written(tmp_path, text)).circuits] == ["poi", "hall"]


def test_relative_paths_lie_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = changed(
        ("nominal_hz", 'state_dir = "state"\nnominal_hz'),
        ("mqtt://127.0.0.1:1883", 'mqtts://broker"\nca = "ca.pem"\ncert = "c.pem"\nkey = "/etc/k.pem'),
    )
    written(tmp_path, text + '[keys]\nagent = "agent.pem"\nkeyring = "ring.json"\n')
    monkeypatch.chdir(tmp_path)

    site = load("site.toml")

    assert site.path == tmp_path / "site.toml"
    assert site.site.state_dir == f"{tmp_path}/state"
    assert site.mqtt is not None
    assert (site.mqtt.ca, site.mqtt.cert, site.mqtt.key) == (f"{tmp_path}/ca.pem", f"{tmp_path}/c.pem", "/etc/k.pem")
    assert (site.mqtt.port, site.mqtt.tls) == (8883, True)
    assert (site.keys.agent, site.keys.keyring) == (f"{tmp_path}/agent.pem", f"{tmp_path}/ring.json")


@pytest.mark.parametrize(
    ("profile", "keys", "refresh_ms", "fast_ms"),
    [
        ("janitza-umg604", "", 200, 66),  # its profile says 200 ms
        ("janitza-umg604", "refresh_ms = 30", 30, 20),
        ("janitza-umg604", "fast_ms = 25", 200, 25),
        ("janitza-umg604", "refresh_ms = 9000", 9000, 500),
        ("janitza-umg604", "refresh_ms = 9000\nslow_ms = 300", 9000, 300),
    ],
)
def test_a_meter_is_polled_at_a_third_of_its_refresh(
    tmp_path: Path, profile: str, keys: str, refresh_ms: int, fast_ms: int
) -> None:
    text = changed(('"eastron-sdm630"', f'"{profile}"\n{keys}'))

    (meter,) = load(written(tmp_path, text)).meters

    assert (meter.refresh_ms, meter.fast_ms) == (refresh_ms, fast_ms)


def test_contacts_and_the_like_are_kept(tmp_path: Path) -> None:
    text = changed(("nominal_hz", 'timezone = "America/Chicago"\ncontacts = { dispatch = "desk" }\nnominal_hz'))

    site = load(written(tmp_path, text)).site

    assert (site.timezone, site.contacts) == ("America/Chicago", {"dispatch": "desk"})


def whole_or_refused(path: Path) -> None:
    """Any file is a site or a list of faults that can be printed; nothing else comes out of it."""
    faults: tuple[Fault, ...] = ()
    try:
        load(path)
    except ConfigErrors as errors:
        faults = errors.faults
        refused = True
    else:
        refused = False
    assert bool(faults) is refused
    for fault in faults:
        assert fault.line >= 0
        assert fault.wrong
        assert fault.mend
        assert "\n" not in str(fault)


FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(st.text(max_size=200) | st.text("[]{}=\"'#.,\n\\ atrue1-", max_size=200))
def test_any_text_is_a_site_or_faults(tmp_path: Path, text: str) -> None:
    path = tmp_path / "site.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))

    whole_or_refused(path)


TEXTS = [SITE, SITE + MORE, EXAMPLE.read_text(encoding="utf-8")]

ODD = st.sampled_from(
    ["1", "-1", "0", "1e308", "nan", "-inf", "true", '""', '"x"', '"poi"', '"a\\u0000b"', "[]", "[[1]]", "{}", "[{}]",
     "{ tied = [] }", "2026-01-01", "07:32:00", "9223372036854775807", "0x" + "F" * 400, '"10.0.0.1"', '"rtu://x"',
     '"tank"', '["di1"]', "{ for_ms = 1 }", '"unix:"', '{ gpus = "r1" }',
     '["10.0.0.1-10.0.0.3"]', '"credential:x"', '"../x"', '"tcp://["', '"mqtts://:0"', '"/"', '"☃"']
)  # fmt: skip


@FUZZ
@given(st.data())
def test_any_value_anywhere_is_a_site_or_faults(tmp_path: Path, data: st.DataObject) -> None:
    lines = data.draw(st.sampled_from(TEXTS)).split("\n")
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(lines) - 1))
        key, equals, _ = lines[at].partition("=")
        lines[at] = f"{key}= {data.draw(ODD)}" if equals else data.draw(st.sampled_from([lines[at], "", lines[0]]))

    whole_or_refused(written(tmp_path, "\n".join(lines)))


@FUZZ
@given(st.binary(max_size=120) | st.text('address,label\n\r"10.0.0.1;é', max_size=120).map(str.encode))
def test_any_inventory_is_read_or_refused_with_its_lines(tmp_path: Path, csv: bytes) -> None:
    (tmp_path / "miners.csv").write_bytes(b"address,label\n10.0.0.7,x\n" + csv)

    whole_or_refused(written(tmp_path, changed(('hosts = ["127.1.0.1-127.1.0.60"]', 'inventory = "miners.csv"'))))
