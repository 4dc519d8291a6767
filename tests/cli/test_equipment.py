"""`ballast check` on tanks, contactors and GPUs: the rows, what is printed of them, and what should be known."""

from pathlib import Path

import pytest

from agent.__main__ import main
from agent.cli.equipment import write_wait_ms
from agent.cli.forecast import Forecast, forecast
from agent.cli.warnings import warnings_of
from agent.config import LinkTable, load
from tests.config.devices import equipped

TABLES = """\
Tanks (kW at rated watts)
  tank  rule  control  circuits   loads     cools
  tank  cool  observe  poi, hall      3  9.0 + r1

What each tank's PLC must say
  tank  then                              when                                                         for
  tank  sheds; returns by itself 1 a day  vapor_pressure_kpa_g_above 6 or coolant_level_pct_below 70   200 ms
  tank  alarm, nothing rises              vapor_pressure_kpa_g_above 4 or coolant_c_above 52           5.0 s
  tank  may rise                          vapor_pressure_kpa_g_below 3 and coolant_level_pct_above 75  60.0 s

Contactors (kW at rated watts; wait: the longest until a coil's frame may go out)
  contactor  plc   circuit  feeds           loads   kW  use      wait  on silence  closes with
  east       gear  hall     b, string east      2  6.0  first  250 ms  open        remote, di5
  rack       gear  poi      r1                  0  0.0  last   250 ms  hold        remote

GPUs (W of each)
  gpus  circuit  at                          count  floor  fallback  tank
  r1    poi      unix:FOLDER/gpud.sock    all    350       500  tank
"""


def would(folder: Path, *changes: tuple[str, str]) -> Forecast:
    return forecast(load(equipped(*changes, folder=folder)))


def test_what_a_site_has_is_printed_and_no_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(equipped(folder=tmp_path))]) == 0

    printed = capsys.readouterr().out.replace(str(tmp_path), "FOLDER")
    tables = printed[printed.index("Tanks (") : printed.index("\nWritten to devices")]
    assert [line.split() for line in tables.splitlines()] == [line.split() for line in TABLES.splitlines()]
    assert "Written to devices while it observes: nothing; no heartbeat, no session, no logon." in printed


def test_a_tanks_time_is_poll_hold_and_send(tmp_path: Path) -> None:
    (tank,) = would(tmp_path).tanks

    budget = tank.budget_ms
    assert (budget.poll, budget.confirm, budget.send) == (200.0, 200.0, 100.0)
    assert budget.total == 500.0 + budget.load


def test_a_coils_write_waits_longest_on_a_serial_line(tmp_path: Path) -> None:
    apart = write_wait_ms(LinkTable(id="x", url="tcp://127.0.0.1"))
    shared = write_wait_ms(LinkTable(id="x", url="tcp://127.0.0.1", connections=1))
    line = write_wait_ms(LinkTable(id="x", url="rtu:///dev/ttyS0?baudrate=9600"))

    assert apart <= shared < line


def test_what_should_be_known_of_devices_is_said(tmp_path: Path) -> None:
    profile = (
        'name = "mine"\nsource = "ours"\nword_order = "big"\nbase = 0\ntable = "holding"\n'
        '[[point]]\nname = "vapor_pressure_kpa_g"\nat = 0\nkind = "int16"\npoll = "fast"\nunverified = true\n'
        '[[point]]\nname = "coolant_level_pct"\nat = 1\nkind = "int16"\npoll = "fast"\n'
        '[[point]]\nname = "coolant_c"\nat = 2\nkind = "int16"\npoll = "fast"\n'
        '[[bit]]\nname = "leak"\ntable = "discrete"\nat = 0\nunverified = true\n'
    )
    (tmp_path / "mine.toml").write_text(profile, encoding="utf-8")
    pump = '[[plc]]\nid = "pump"\nlink = "line"\nunit_id = 9\nprofile = "orv3-rpu"\n'
    path = equipped(('"two-phase-tank"', '"mine.toml"'), ("[[contactor]]", f"{pump}\n[[contactor]]"), folder=tmp_path)
    site = load(path)

    said = list(warnings_of(site, forecast(site)))

    for expected in (
        'Miners "a": 60 of them name no tank; nothing here stops these when cooling fails.',
        'GPUs "r1": how many there are and what they draw is asked of gpud when the agent starts',
        'PLC "pump" has no contactor and no cooling rule: it is only read and published.',
        '"tank": unverified in profile "mine": vapor_pressure_kpa_g, leak; compare each',
    ):
        assert any(warning.startswith(expected) for warning in said), said


def test_a_tank_that_cools_nothing_and_a_rule_that_observes_are_said(tmp_path: Path) -> None:
    path = equipped(
        ('cooling = "tank"\n\n[[gpus]]', "\n[[gpus]]"),
        ('fallback_w = 500\ncooling = "tank"', "fallback_w = 500"),
        ('kind = "cooling"', 'kind = "cooling"\narm = "observe"'),
        inventory="address,string,rated_w\n10.0.0.1,east,3000\n",
        folder=tmp_path,
    )
    path.write_text(path.read_text("utf-8").replace("nominal_hz", 'control = "act"\nnominal_hz', 1), "utf-8")
    site = load(path)

    said = list(warnings_of(site, forecast(site)))

    assert 'Tank "tank" cools nothing: its rule "cool" stops nothing.' in said
    assert 'Rule "cool" observes: tank "tank" is left to its PLC alone.' in said
