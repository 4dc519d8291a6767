"""`ballast check`: what it prints of a site, of faults, and its exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent.__main__ import main
from agent.cli.forecast import Forecast, forecast
from agent.cli.warnings import PROTECTION, warnings_of
from agent.config import load
from agent.core.tree import Tree
from agent.translate import translate
from tests.config.sites import SITE, changed, written

MORE = """
[[miners]]
id = "b"
circuit = "poi"
family = "cgminer"
hosts = ["127.2.0.1-127.2.0.2"]
rated_w = 1400
sleep_w = 400
value_usd_per_mwh = 90.0

[[rule]]
id = "cap"
kind = "power_cap"
circuit = "hall"
margin_kw = 150

[[rule]]
id = "orders"
kind = "command"
"""


EXPLAINED = """\
demo, agent agent: control = observe, 50 Hz

Circuits (kW; least: unmetered and everything asleep; full: everything at rated watts)
  circuit  meter  loads  least   full  limit  fallback
  poi      main      62   12.3  207.8  400.0      50.0
    hall             60    1.5  195.0  300.0

Ladder, cheapest watts first (kW at rated watts)
  shed                      loads  circuit  each  together  cumulative
  a/127.1.0.1 … 127.1.0.60     60  hall      3.2     193.5       193.5
  b/127.2.0.1 … 127.2.0.2       2  poi       1.0       2.0       195.5

Rules, with everything running (kW)
  rule    kind             circuit  control  sheds when                                      wants  sheds  loads
  ufr     under_frequency  poi      observe  below 49.5 Hz                                   100.0  103.2     32
  cap     power_cap        hall     observe  above 150 kW                                     45.0   45.1     14
  orders  command          every    observe  a signed limit, the lowest that can be reached  195.5  195.5     62

Time until the watts are gone, at most
  rule    refresh    poll  confirm    send    load  together
  ufr       1.0 s  333 ms        -  100 ms  15.0 s    16.4 s
  cap           -  10.0 s        -  100 ms  15.0 s    25.1 s
  orders        -       -        -  100 ms  15.0 s    15.1 s

Written to devices while it observes: nothing; no heartbeat, no session, no logon.

"""


def forecast_of(folder: Path, text: str) -> Forecast:
    return forecast(load(written(folder, text)))


def checked(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    code = main(["check", "--json", *words])
    return code, json.loads(capsys.readouterr().out)


def test_a_site_is_explained_on_plain_lines_without_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["check", str(written(tmp_path, SITE + MORE))])

    printed = capsys.readouterr()
    assert (code, printed.err) == (0, "")
    assert printed.out.split("To know")[0] == EXPLAINED


def test_faults_are_listed_and_the_exit_code_is_78(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, changed(("limit_kw = 400", "limit_kw = 0"), ("rated_w", "rated")))

    code = main(["check", str(path)])

    printed = capsys.readouterr()
    assert code == 78
    assert printed.out.count("\n") == 3
    assert f'{path}:8 [[circuit]] "poi" limit_kw = 0: too low' in printed.out
    assert printed.err == "3 faults; nothing was started or changed.\n"


def test_faults_as_json_keep_their_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, changed(("limit_kw = 400", "limit_kw = 0")))

    code, told = checked(capsys, str(path))

    assert (code, told["ok"]) == (78, False)
    assert told["faults"] == [
        {
            "file": str(path),
            "line": 8,
            "table": "[[circuit]]",
            "name": "poi",
            "key": "limit_kw",
            "value": "0",
            "wrong": "too low",
            "mend": "write a number above 0, at most 1000000, such as 4000",
        }
    ]


def test_json_has_every_load_by_itself_with_cumulative_watts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = checked(capsys, str(written(tmp_path, SITE + MORE)))

    ladder = told["forecast"]["ladder"]
    assert (code, told["ok"], len(ladder)) == (0, True, 62)
    assert [rung["cumulative_w"] for rung in ladder[:2]] == [3225.0, 6450.0]
    assert ladder[-1]["cumulative_w"] == pytest.approx(195_500.0)
    assert told["warnings"][0] == PROTECTION


def test_the_ladder_is_the_one_that_the_agent_cuts(tmp_path: Path) -> None:
    """Cheapest first, among equals the larger, then by name: a load out of order would be told too late."""
    text = SITE + MORE.replace("90.0", "-1.0")
    tree = Tree(translate(load(written(tmp_path, text)), {}).site)

    rungs = forecast_of(tmp_path, text).ladder

    assert [rung.load for rung in rungs] == [load.id for load in tree.shed_order]
    assert rungs[0].load == "b/127.2.0.1"


def test_a_time_budget_is_the_sum_of_its_parts(tmp_path: Path) -> None:
    text = changed(
        ("nominal_ln_v", "refresh_ms = 200\nfast_ms = 20\nnominal_ln_v"),
        ("shed_kw = 100", "shed_kw = 100\nconfirm_refreshes = 3"),
    )

    (rule,) = forecast_of(tmp_path, text).rules

    budget = rule.budget_ms
    assert (budget.refresh, budget.poll, budget.confirm, budget.send) == (200.0, 20.0, 400.0, 100.0)
    assert budget.load > 0
    assert budget.total == 720.0 + budget.load


def test_the_power_of_a_circuit_without_a_meter_is_as_old_as_its_loads_polls(tmp_path: Path) -> None:
    cap = forecast_of(tmp_path, SITE + MORE).rules[1]

    assert (cap.circuit, cap.budget_ms.refresh, cap.budget_ms.poll) == ("hall", 0.0, 10_000.0)


def test_a_rule_that_goes_to_a_power_is_forecast_from_everything_running(tmp_path: Path) -> None:
    (rule,) = forecast_of(tmp_path, changed(("shed_kw = 100", "to_kw = 60"))).rules

    assert (rule.wanted_kw, rule.loads) == (145.0, 45)


def test_a_rule_that_wants_more_than_there_is_takes_all_and_says_so(tmp_path: Path) -> None:
    text = changed(("shed_kw = 100", "shed_kw = 900"))
    site = load(written(tmp_path, text))
    would = forecast(site)

    (rule,) = would.rules

    assert (rule.loads, rule.shed_kw, rule.unmet_kw) == (60, 193.5, 706.5)
    assert 'Rule "ufr" wants 900 kW shed and its loads give up 193.5 kW: 706.5 kW would be unmet.' in warnings_of(
        site, would
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("limit_kw = 300", "limit_kw = 500"), 'limit of 500 kW is above that of "poi" (400 kW), which binds first'),
        (("limit_kw = 300", "limit_kw = 190"), "everything running draws 195 kW, above its limit of 190 kW"),
        (("nominal_hz", 'control = "act"\nnominal_hz'), "it starts only with `ballast run --uncommissioned`"),
        (("shed_kw", 'arm = "act"\nshed_kw'), 'has arm = "act", and observes all the same'),
        (("nominal_hz", "nominal_hz"), 'Circuit "hall" has no meter'),
        (("127.0.0.1:1883", "broker.example.net"), "mqtt:// is not encrypted"),
        (('[mqtt]\nurl = "mqtt://127.0.0.1:1883"\n', ""), "No [mqtt]: nothing is published and no command is heard"),
        (('"mqtt://127.0.0.1:1883"', '"mqtts://x"\nca = "no.pem"'), "without it the broker is not reached"),
        (("nominal_ln_v", "refresh_ms = 50\nfast_ms = 100\nnominal_ln_v"), "less often than it renews its values"),
        (("[[meter]]", '[[link]]\nid = "x"\nurl = "tcp://127.0.0.9"\n[[meter]]'), 'Link "x" has no device on it'),
    ],
)  # fmt: skip
def test_what_should_be_known_is_said(tmp_path: Path, change: tuple[str, str], expected: str) -> None:
    site = load(written(tmp_path, changed(change)))

    assert any(expected in warning for warning in warnings_of(site, forecast(site)))


def test_an_encrypted_broker_and_a_loopback_one_are_not_warned_of(tmp_path: Path) -> None:
    for url in ("mqtt://localhost", "mqtt://127.0.0.1", "mqtts://broker.example.net"):
        site = load(written(tmp_path, changed(("mqtt://127.0.0.1:1883", url))))

        assert not any("not encrypted" in warning for warning in warnings_of(site, forecast(site)))
