"""PLCs, contactors, tanks and GPUs of site.toml: what they become, and every way not to hold together."""

from pathlib import Path

import pytest

from agent.config import CoolingRule, Threshold, load
from tests.config.devices import INVENTORY, equipped
from tests.config.sites import changed, faults_of, written


def told(folder: Path, *changes: tuple[str, str], inventory: str = INVENTORY) -> list[str]:
    """Every fault, as a person is shown it, with the folder left out."""
    path = equipped(*changes, inventory=inventory, folder=folder)
    return [str(fault).replace(f"{folder}/", "") for fault in faults_of(path)]


def test_devices_are_filled_in_with_careful_defaults(tmp_path: Path) -> None:
    site = load(equipped(folder=tmp_path))

    tank, gear = site.plcs
    assert (tank.fast_ms, tank.blind_after_s, tank.heartbeat_ms, tank.bits) == (200, 2.0, None, {})
    assert (gear.unit_id, gear.heartbeat_ms, gear.bits["remote"]) == (20, 500, "di4")
    east, rack = site.contactors
    assert (east.close.kind, east.use, east.feeds.string, east.feedback.within_ms) == (
        "maintained",
        "first",
        "east",
        400,
    )
    assert (rack.use, rack.min_open_s, rack.operations_per_day_max, rack.feedback.open) == ("last", 60.0, 10, None)
    (gpus,) = site.gpus
    assert (gpus.select, gpus.socket, gpus.load_id("GPU-1")) == ("all", f"{tmp_path}/gpud.sock", "r1/GPU-1")


def test_a_cooling_rules_keys_become_thresholds(tmp_path: Path) -> None:
    rule = load(equipped(folder=tmp_path)).rules[-1]

    assert isinstance(rule, CoolingRule)
    assert rule.shed == (Threshold("vapor_pressure_kpa_g", True, 6.0), Threshold("coolant_level_pct", False, 70.0))
    assert (rule.shed_for_ms, rule.warn_for_s, rule.permit_for_s, rule.auto_returns_per_day) == (200, 5.0, 60.0, 1)
    assert rule.permit[0] == Threshold("vapor_pressure_kpa_g", False, 3.0)


def test_the_inventorys_tank_comes_before_the_tables(tmp_path: Path) -> None:
    path = equipped(('cooling = "tank"\n\n[[gpus]]', "\n[[gpus]]"), folder=tmp_path)

    without = load(path).miners[1]
    within = load(equipped(folder=tmp_path)).miners[1]

    assert [host.tank for host in without.hosts] == ["", "tank", "tank"]
    assert [host.tank for host in within.hosts] == ["tank", "tank", "tank"]


CHANGES = [
    ("unit_id = 3\n", "unit_id = 300\n", '[[plc]] "tank" unit_id = 300: too high; write a whole number from 0 to 255'),
    ('link = "line"', 'link = "lime"', 'link = "lime": there is no [[link]] of this id; did you mean "line"?'),
    ('"two-phase-tank"', '"two-phase-tnk"', 'did you mean "two-phase-tank"?'),
    ('link = "line"\nunit_id = 3', 'link = "net"\nunit_id = 1', 'the same unit on the same link as meter "main"'),
    ("heartbeat_ms = 500", "heartbeat_ms = 5000",
     "heartbeat_ms = 5000: too high; write a whole number from 100 to 2000"),
    ('k1_52a = "di1"', 'k1_52a = "di99"', 'bits.k1_52a = "di99": no such bit in profile "contactors-16"; did you mean'),
    ('k1_52a = "di1"', 'K1 = "di1"',
     'bits.K1 = "di1": this name is not well formed; use lower-case letters, digits and _'),
    ('k1_52a = "di1"', 'k1_52a = 1', "bits.k1_52a = 1: this is a whole number; write text in quotes"),
    ('k1_52b = "di2"', 'k1_52b = "di1"', 'bits.k1_52b = "di1": the same bit as "k1_52a"; one name for each bit'),
    ('remote = "di4"', 'remote = "di4"\npower_w = "di7"', 'bits.power_w = "di7": the name of a quantity'),
    ('remote = "di4"', 'remote = "di4"\ndi9 = "di7"', "the profile's own name of another bit; give it another name"),
    ('coil = "k1"', 'coil = "k17"', 'close.coil = "k17": no such coil in profile "contactors-16"; did you mean "k7"?'),
    ('coil = "k2"', 'coil = "k1"', 'close.coil = "k1": contactor "east" has this coil; each contactor has its own'),
    ('kind = "maintained"', 'kind = "pulsed"', 'close.kind = "pulsed": no such choice; did you mean "pulse"?'),
    ('closed = "k1_52a"', 'closed = "k1_52"', 'feedback.closed = "k1_52": PLC "gear" has no bit of this name; did you'),
    ('closed = "k2_52a"', 'closed = "k1_52a"', 'closed = "k1_52a": another contact has this bit; each contact has its'),
    ("within_ms = 400", "within_ms = 0.4",
     "within_ms = 0.4: not a whole number; write a whole number from 20 to 10000"),
    ('permit = ["remote", "di5"]', 'permit = ["remotes"]', 'permit[0] = "remotes": PLC "gear" has no bit of this name'),
    ('permit = ["remote", "di5"]', "permit = []", "permit = []: empty; write a list"),
    ('permit = ["remote", "di5"]\n', "", '[[contactor]] "east" permit: missing; add it: a list'),
    ('on_silence = "open"\n', "", 'on_silence: missing; add it: "hold" or "open"'),
    ('plc = "gear"', 'plc = "great"', 'plc = "great": there is no [[plc]] of this id; did you mean "gear"?'),
    ("heartbeat_ms = 500\n", "", 'PLC "gear" has no heartbeat_ms: it blocks closing after 10 s without a beat; add'),
    ("fast_ms = 100\n", "fast_ms = 400\n", 'PLC "gear" is polled every 400 ms, and permits must be read within 500 ms'),
    ('string = "east" }', 'string = "eats" }',
     'feeds.string = "eats": no miner of "b" is on this string; did you mean'),
    ('miners = "b", string', 'miners = "c", string', 'feeds.miners = "c": there is no [[miners]] of this id'),
    ('{ gpus = "r1" }', '{ miners = "b" }', 'contactor "east" feeds these, too; each load has one contactor'),
    ('{ gpus = "r1" }', '{ string = "west" }', "feeds nothing; write"),
    ('{ gpus = "r1" }', '{ gpus = "r1", string = "w" }', "feeds.string = \"w\": without effect: GPUs have none"),
    ('{ gpus = "r1" }', '{ gpus = "r1", miners = "a" }', "miners and GPUs at once"),
    ("unix:gpud.sock", "gpud.sock", 'at = "gpud.sock": not a unix: path; write "unix:PATH" of the socket of `ballast'),
    ("unix:gpud.sock", "tls://10.0.0.1:4029",
     'at = "tls://10.0.0.1:4029": not yet supported; run the agent on the GPUs'),
    ("fallback_w = 500", "fallback_w = 300", "fallback_w = 300: below floor_w; write 350 or more"),
    ("floor_w = 350", "floor_w = 0.35", "floor_w = 0.35: too low; write a number from 50 to 5000, such as 350"),
    ("floor_w = 350", 'select = ["GPU-zz"]\nfloor_w = 350',
     'select[0] = "GPU-zz": not well formed; write it as `nvidia'),
    ("floor_w = 350", "select = []\nfloor_w = 350", "select = []: empty; write"),
    ("floor_w = 350", 'select = "some"\nfloor_w = 350', 'select = "some": no such choice; write "all"'),
    ('cooling = "tank"\n\n[[gpus]]', 'cooling = "tink"\n\n[[gpus]]',
     '"tink": there is no [[plc]] of this id; did you mean'),
    ('cooling = "tank"\n\n[[gpus]]', 'cooling = "gear"\n\n[[gpus]]',
     "it has no cooling rule, and so nothing here would stop"),
    ("vapor_pressure_kpa_g_above = 6.0", "vapour_pressure_kpa_g_above = 6",
     'such point; did you mean "vapor_pressure_kpa_g_above"?'),
    ("vapor_pressure_kpa_g_above = 6.0", "vapor_pressure_kpa_g = 6.0",
     "neither _above nor _below; write vapor_pressure_kpa_g_above"),
    ("vapor_pressure_kpa_g_above = 6.0", 'vapor_pressure_kpa_g_above = "6"',
     "this is text; write the number without quotes: 6"),
    ("vapor_pressure_kpa_g_above = 6.0", "vapor_pressure_kpa_g_above = 4", "not before shed's 4; write less than 4"),
    ("vapor_pressure_kpa_g_below = 3.0", "vapor_pressure_kpa_g_below = 4.5", "not inside warn's 4; write less than 4"),
    ("coolant_level_pct_above = 75", "coolant_level_pct_above = 70", "not inside shed's 70; write more than 70"),
    ("coolant_level_pct_above = 75, ", "",
     "permit.coolant_level_pct_above: missing; add coolant_level_pct_above = …, more than"),
    ("coolant_c_above = 52", "ambient_c_above = 52, air_inlet_c_above = 40",
     'profile "two-phase-tank" of PLC "tank" has no air_inlet_c'),
    ("for_ms = 200", "for_s = 0.2", "shed.for_s = 0.2: the other unit; write for_ms here"),
    ("for_ms = 200", "for_ms = 60000", "shed.for_ms = 60000: can't be; write ms, a whole number from 0 to 10000"),
    ("70, for_ms = 200", "70", "shed.for_ms: missing; add it: how long, from 0 to 10000"),
    ("coolant_c_above = 52, for_s = 5", "for_s = -1", "warn.for_s = -1: can't be; write s, from 0 to 3600"),
    ('plc = "tank"\n', 'plc = "tanks"\n',
     '[[rule]] "cool" plc = "tanks": there is no [[plc]] of this id; did you mean "tank"?'),
    ("shed = { vapor_pressure_kpa_g_above = 6.0, coolant_level_pct_below = 70, for_ms = 200 }\n", "",
     "shed: missing; add it"),
    ("shed = { vapor_pressure_kpa_g_above = 6.0, coolant_level_pct_below = 70, for_ms = 200 }",
     "shed = { for_ms = 200 }",
     "no value in it; take the values from the tank's maker"),
    ('id = "east"', 'id = "hall"', 'id = "hall": also the id of a [[circuit]]; give it another'),
    ('id = "tank"', 'id = "main"', 'id = "main": also the id of a [[meter]]; give it another'),
    ("rtu:///dev/ttyUSB0?baudrate=9600", "rtu:///dev/ttyUSB0?baud=9600",
     "no such key: baud; behind the ? stand baudrate, parity"),
    ("rtu:///dev/ttyUSB0?baudrate=9600&parity=N&stopbits=2", "rtu+tcp://127.0.0.2:502",
     'the same endpoint as link "gear-net"'),
    ('stopbits=2"', 'stopbits=2"\nconnections = 2', "connections = 2: one line behind it: what is asked on a second"),
    ('stopbits=2"', 'stopbits=2"\nignore_tid = true', "ignore_tid = true: without effect on RTU frames; take it out"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "expected"), CHANGES, ids=[row[2][:50] for row in CHANGES])
def test_what_cannot_hold_is_told_with_its_line_and_mend(
    tmp_path: Path, before: str, after: str, expected: str
) -> None:
    lines = told(tmp_path, (before, after))

    assert any(expected in line for line in lines), lines
    assert all(line.startswith(("site.toml:", "b.csv:")) and "; " in line for line in lines)


@pytest.mark.parametrize(
    ("inventory", "expected"),
    [
        ("address,tank\n10.0.0.1,\n10.0.0.2,tnk\n10.0.0.3,tnk\n",
         'b.csv:3 [[miners]] "b" tank = "tnk": there is no [[plc]] of this id (and 1 more lines); did you mean "tank'),
        ("address,tank\n10.0.0.1,gear\n",
         'b.csv:2 [[miners]] "b" tank = "gear": it has no cooling rule, and so nothing here would stop what'),
        ("address,strng\n10.0.0.1,east\n", 'b.csv:1 [[miners]] "b" strng: no such column; did you mean "string"?'),
    ],
)  # fmt: skip
def test_an_inventorys_tank_must_be_one(tmp_path: Path, inventory: str, expected: str) -> None:
    lines = told(tmp_path, ("sleep_w = 10", "rated_w = 3000\nsleep_w = 10"), inventory=inventory)

    assert any(line.startswith(expected) for line in lines), lines


def test_a_contactor_on_a_string_needs_an_inventory_with_strings(tmp_path: Path) -> None:
    (line,) = told(tmp_path, ("sleep_w = 10", "rated_w = 3000\nsleep_w = 10"), inventory="address\n10.0.0.1\n")

    assert line.endswith('no miner of "b" is on this string; its inventory has no string column')


def test_a_contactor_may_share_its_link_with_a_fast_meter_only_where_writes_go_apart(tmp_path: Path) -> None:
    meter = '\n[[meter]]\nid = "feeder"\nlink = "gear-net"\nunit_id = 2\nprofile = "eastron-sdm630"\n'
    meter += "nominal_ln_v = 230.0\nfast_ms = 50\n"
    shared = ('[[plc]]\nid = "gear"', f'{meter}\n[[plc]]\nid = "gear"')

    assert len(load(equipped(shared, folder=tmp_path)).meters) == 2
    lines = told(tmp_path, shared, ('127.0.0.2:502"', '127.0.0.2:502"\nconnections = 1'))

    assert len(lines) == 2
    assert 'its link "gear-net" has one connection, and on it meter "feeder", polled faster than 100 ms' in lines[0]
    shared = (shared[0], shared[1].replace("fast_ms = 50", "fast_ms = 100"))
    assert load(equipped(shared, ('127.0.0.2:502"', '127.0.0.2:502"\nconnections = 1'), folder=tmp_path))


def test_two_tables_may_not_have_the_same_gpu(tmp_path: Path) -> None:
    second = '[[gpus]]\nid = "r2"\ncircuit = "poi"\nat = "unix:gpud.sock"\nfloor_w = 350\nfallback_w = 500\n'

    both = told(tmp_path, ("[[gpus]]", f"{second}\n[[gpus]]"))
    listed = 'select = ["GPU-00aa", "GPU-00bb"]\n'
    one = told(
        tmp_path,
        ("[[gpus]]", f"{second}{listed}\n[[gpus]]"),
        ('500\ncooling = "tank"', f'500\n{listed}cooling = "tank"'),
    )

    assert [line.partition(": ")[2] for line in both] == [
        '[[gpus]] "r2" has GPUs of this gpud, and one of the two has all; list the UUIDs in both'
    ]
    assert [line.partition(": ")[2] for line in one] == [
        'it stands in [[gpus]] "r2" already; each GPU stands once; take one out'
    ] * 2


def test_gpus_that_are_listed_count_at_their_floor_against_the_circuits_limit(tmp_path: Path) -> None:
    uuids = ", ".join(f'"GPU-{number:04x}"' for number in range(1200))

    lines = told(tmp_path, ("floor_w = 350", f"select = [{uuids}]\nfloor_w = 350"))

    assert any("limit_kw = 400: below what can be reached" in line for line in lines)


def test_a_heartbeat_needs_a_profile_that_has_one(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        'name = "mine"\nsource = "ours"\nword_order = "big"\nbase = 0\ntable = "holding"\n'
        + "".join(f'[[bit]]\nname = "di{at}"\ntable = "discrete"\nat = {at}\n' for at in range(1, 6))
        + "".join(f'[[coil]]\nname = "k{at}"\nat = {at}\n' for at in (1, 2)),
        encoding="utf-8",
    )
    mine = ('"contactors-16"', '"mine.toml"')

    beating = told(tmp_path, mine)
    silent = told(tmp_path, mine, ("heartbeat_ms = 500\n", ""))

    assert any(line.endswith("its profile has no heartbeat; take it out, or name a profile with [heartbeat]")
               for line in beating)  # fmt: skip
    assert any(
        'the profile of PLC "gear" has no heartbeat: it can\'t know that we are silent' in line for line in silent
    )


def test_a_bit_that_is_polled_slowly_is_no_permit(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        'name = "mine"\nsource = "ours"\nword_order = "big"\nbase = 0\ntable = "holding"\n'
        "[heartbeat]\nat = 0\necho = 1\n"
        + "".join(f'[[bit]]\nname = "di{at}"\ntable = "discrete"\nat = {at}\n' for at in range(1, 5))
        + '[[bit]]\nname = "di5"\ntable = "discrete"\nat = 5\npoll = "slow"\n'
        + "".join(f'[[coil]]\nname = "k{at}"\nat = {at}\n' for at in (1, 2)),
        encoding="utf-8",
    )

    (line,) = told(tmp_path, ('"contactors-16"', '"mine.toml"'))

    assert line.endswith(
        'permit[1] = "di5": the profile polls this bit slowly; write poll = "fast" in a profile of your own'
    )


@pytest.mark.parametrize(
    ("written_as", "expected"),
    [
        ("gear.di6", None),
        ("gear.remote", None),
        ("gaer.remote", 'islanded_when = "gaer.remote": there is no [[plc]] "gaer"; did you mean "gear"?'),
        ("gear.remoto", 'islanded_when = "gear.remoto": PLC "gear" has no bit "remoto"; did you mean "remote"?'),
        ("gear", 'islanded_when = "gear": not well formed; write a [[plc]] and one of its bits'),
    ],
)
def test_the_contact_of_an_island_is_a_bit_of_a_plc(tmp_path: Path, written_as: str, expected: str | None) -> None:
    path = equipped(folder=tmp_path)
    path.write_text(path.read_text().replace("nominal_hz", f'islanded_when = "{written_as}"\nnominal_hz', 1))

    if expected is None:
        assert load(path).site.islanded_when == written_as
    else:
        (fault,) = faults_of(path)
        assert expected in str(fault)


def test_a_rule_for_an_island_needs_the_contact(tmp_path: Path) -> None:
    (fault,) = faults_of(written(tmp_path, changed(("shed_kw = 100", 'shed_kw = 100\nwhen = "island"'))))

    assert "without [site] islanded_when this is never so" in str(fault)
