"""`ballast-hil probe` against meters and PLCs: stand-ins, and a libmodbus program that shares no code with them."""

import re
import statistics
import subprocess
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from hil.contactors import ContactorsConfig
from hil.loopback import free_block
from hil.remote import RigProcess
from hil.rig import MeterConfig, MinerGroup, RigConfig
from hil.tank import TankConfig
from hil.under_test import Agent, ballast
from hil.waiting import eventually
from tests.e2e.hil.probing import Probed, run_probe

_REFRESH_MS = {"main": 200.0, "sdm": 100.0}
_SITE_KW = 33.3


@pytest.fixture(scope="module")
def rig() -> Iterator[RigProcess]:
    config = RigConfig(
        miners=(MinerGroup(free_block(), 1, "luxos"),),
        meters=(
            MeterConfig(refresh_ms=_REFRESH_MS["main"]),
            MeterConfig(id="sdm", layout="eastron-sdm630", unit_id=2, refresh_ms=_REFRESH_MS["sdm"]),
        ),
        tanks=(TankConfig(id="tank", serial=True),),
        switchgears=(ContactorsConfig(id="gear"),),
        nominal_ln_v=230.0,
        unmetered_w=30_000.0,
    )
    with RigProcess(config) as rig:
        yield rig


@pytest.fixture(scope="session")
def em24(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], tuple[int, subprocess.Popen[str]]]:
    program = tmp_path_factory.mktemp("libmodbus") / "meter"
    source = Path(__file__).with_name("probe_meter.c")
    subprocess.run(
        ["cc", "-O1", "-Wall", "-Wextra", "-Werror", "-o", str(program), str(source), "-lmodbus"], check=True
    )

    def start(period_ms: int) -> tuple[int, subprocess.Popen[str]]:
        process = subprocess.Popen([program, str(period_ms)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        return int(process.stdout.readline()), process

    return start


def _at(rig: RigProcess, meter: str) -> str:
    host, port = rig.meters[meter]
    return f"{host}:{port}"


def _true_refresh_ms(rig: RigProcess, meter: str) -> float:
    """What the stand-in really did, by its own stamps; on a busy machine it is late now and then."""
    stamps = [row["changed_ns"] for row in rig.do("stamps")["meters"][meter]]
    return float(statistics.median((after - before) / 1e6 for before, after in pairwise(stamps)))


def _refresh_ms(probed: Probed, point: str = "power_w") -> float | None:
    refresh_ms: float | None = probed.report["measured"]["renewals"][point]["refresh_ms"]
    return refresh_ms


def test_a_meter_is_measured_as_it_is(rig: RigProcess, tmp_path: Path) -> None:
    rig.do("clear")

    probed = run_probe(tmp_path, "--meter", _at(rig, "main"), "--profile", "janitza-umg604", "--seconds", "5")

    measured = probed.report["measured"]
    assert probed.code == 0, probed.errors
    assert _refresh_ms(probed) == pytest.approx(_true_refresh_ms(rig, "main"), rel=0.1)
    assert _refresh_ms(probed, "frequency_hz") is None  # the grid stands still
    assert measured["connections"] >= 2
    assert measured["reply_ms"]["p50"] <= measured["reply_ms"]["p99"] <= measured["reply_ms"]["max"]
    assert probed.finding("illegal address")[0] == "good"
    assert probed.finding("two at once")[0] == "good"
    assert "11" in probed.finding("unknown unit")[1]
    assert probed.finding("sum of phases")[0] == "good"
    assert "closed" not in probed.finding("idle connection")[1]
    assert not rig.do("traffic")["meters"]["main"]["writes"]
    assert re.search(r"power_w every (19|20|21)\d ms", (tmp_path / "report.txt").read_text())


def test_without_a_profile_the_one_that_fits_is_found(rig: RigProcess, tmp_path: Path) -> None:
    probed = run_probe(tmp_path, "--meter", _at(rig, "sdm"), "--unit", "2", "--seconds", "2")

    assert probed.code == 0, probed.errors
    assert probed.finding("profile")[1].startswith("eastron-sdm630 fits")
    assert probed.report["measured"]["registers_max"] == 80
    assert "exception 3" in probed.finding("longest read")[1]


_DRAFT = """\
name = "acme-pm3"
source = "typed from a manual"
word_order = "little"
table = "holding"
base = 1
{points}
"""
_PLACES = {"voltage_l1_v": 0, "voltage_l2_v": 2, "voltage_l3_v": 4, "power_w": 52, "frequency_hz": 70}


def _draft(folder: Path, places: dict[str, int]) -> Path:
    points = "\n".join(
        f'[[point]]\nname = "{name}"\nat = {at}\nkind = "float32"\npoll = "fast"' for name, at in places.items()
    )
    draft = folder / "draft.toml"
    draft.write_text(_DRAFT.format(points=points))
    return draft


def test_a_draft_in_the_wrong_order_table_and_base_becomes_a_profile_that_the_agent_reads_right_by(
    rig: RigProcess, tmp_path: Path
) -> None:
    draft = _draft(tmp_path, _PLACES)
    out = tmp_path / "probed"

    probed = run_probe(
        out, "--meter", _at(rig, "sdm"), "--unit", "2", "--profile", str(draft), "--nominal-v", "230", "--seconds", "3"
    )

    verdict, words = probed.finding("reading")
    assert (verdict, probed.code) == ("note", 0)
    assert "input registers one address higher, big word first" in words
    written = (out / "acme-pm3.toml").read_text()
    assert all(line in written for line in ('word_order    = "big"', 'table         = "input"', "registers_max = 80"))
    site = _site(tmp_path, rig, out / "acme-pm3.toml")
    checked = subprocess.run([ballast(), "check", str(site)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    agent = Agent(site, tmp_path / "state", tmp_path / "agent.log", acts=False)
    agent.start()
    try:
        power_kw = eventually("the agent reads the meter", lambda: _net_kw(agent))
    finally:
        agent.kill()
    assert power_kw == pytest.approx(_SITE_KW, rel=0.01)


def _net_kw(agent: Agent) -> float | None:
    circuits = agent.status().get("circuits") or [{}]
    net_kw: float | None = circuits[0].get("net_kw")
    return net_kw


def _site(folder: Path, rig: RigProcess, profile: Path) -> Path:
    site = folder / "site.toml"
    site.write_text(
        f"""\
[site]
id = "probed"
agent = "ctl-1"
control = "observe"
nominal_hz = 50.0
state_dir = "{folder / "state"}"

[[circuit]]
id = "poi"
meter = "main"
limit_kw = 60
unmetered_kw = 30
fallback_kw = 40

[[link]]
id = "meter-net"
url = "tcp://{_at(rig, "sdm")}"

[[meter]]
id = "main"
link = "meter-net"
unit_id = 2
profile = "{profile}"
nominal_ln_v = 230.0

[[miners]]
id = "a"
circuit = "poi"
hosts = ["{rig.miners[0].partition(":")[0]}"]
family = "luxos"
rated_w = 3300
sleep_w = 25
"""
    )
    return site


def test_a_wrong_profile_is_told_as_wrong(rig: RigProcess, tmp_path: Path) -> None:
    draft = _draft(tmp_path, {"voltage_l1_v": 12, "frequency_hz": 57, "power_w": 20})

    probed = run_probe(
        tmp_path / "out", "--meter", _at(rig, "sdm"), "--unit", "2", "--profile", str(draft), "--seconds", "1"
    )

    assert probed.code == 1
    assert probed.finding("reading")[0] == "bad"
    assert "compare addresses, kinds and scales with the manual" in probed.finding("reading")[1]


def test_a_meter_that_stands_still_has_no_refresh_that_could_be_told(rig: RigProcess, tmp_path: Path) -> None:
    rig.do("meter_fault", meter="main", fault="freeze")
    try:
        probed = run_probe(tmp_path, "--meter", _at(rig, "main"), "--profile", "janitza-umg604", "--seconds", "1")
    finally:
        rig.do("meter_fault", meter="main", fault="none")

    assert probed.finding("refresh")[0] == "note"
    assert "refresh_ms    = 200" in (tmp_path / "janitza-umg604.toml").read_text()  # what the file said stays


def test_an_independent_meter_is_measured_and_read_low_word_first(
    em24: Callable[[int], tuple[int, subprocess.Popen[str]]], tmp_path: Path
) -> None:
    period_ms = 250
    port, meter = em24(period_ms)
    try:
        probed = run_probe(
            tmp_path, "--meter", f"127.0.0.1:{port}", "--unit", "7", "--profile", "carlo-gavazzi-em24",
            "--seconds", "5", "--timeout", "0.3",
        )  # fmt: skip

        assert meter.poll() is None  # it ends when it is written to
    finally:
        meter.kill()
        meter.wait()
        assert meter.stdout is not None
        meter.stdout.close()

    assert probed.finding("reading")[0] == "good", probed.finding("reading")
    assert "input registers, little word first" in probed.finding("reading")[1]
    assert probed.report["measured"]["registers_max"] == 40
    assert probed.finding("unknown unit")[1].startswith("unit 247 is not answered")
    # libmodbus loses its place in the stream at a function that it doesn't know; the probe finds that, and goes on.
    assert "understands nothing more" in probed.finding("illegal function")[1]
    assert probed.report["measured"]["connections"] >= 2
    assert _refresh_ms(probed) == pytest.approx(period_ms, rel=0.1)


def test_a_plc_on_a_serial_line_is_only_read(rig: RigProcess, tmp_path: Path) -> None:
    rig.do("clear")

    probed = run_probe(
        tmp_path, "--plc", rig.plcs["tank"], "--unit", "3", "--profile", "two-phase-tank", "--seconds", "2",
        "--timeout", "0.5",
    )  # fmt: skip

    assert probed.code == 0, probed.errors
    assert "17 of 17 are given" in probed.finding("bits")[1]
    assert probed.finding("unknown unit")[0] == "good"
    round_ms = _refresh_ms(probed, "plc_counter")
    assert round_ms is not None
    assert round_ms >= 18.0  # a round is 20 ms, and more on a busy machine
    assert not rig.do("traffic")["plcs"]["tank"]["writes"]
    assert "[heartbeat]" in (tmp_path / "two-phase-tank.toml").read_text()


def test_a_plc_s_echo_is_timed_when_a_person_says_yes(rig: RigProcess, tmp_path: Path) -> None:
    words = ("--plc", rig.plcs["gear"], "--unit", "20", "--profile", "contactors-16", "--seconds", "1", "--actuate")
    rig.do("clear")

    declined = run_probe(tmp_path, *words, typed="no\n")
    assert not rig.do("traffic")["plcs"]["gear"]["writes"]
    probed = run_probe(tmp_path, *words, typed="yes\n")

    assert (declined.code, declined.report) == (7, {})
    assert "writes the heartbeat" in declined.errors
    assert probed.code == 0
    assert probed.finding("heartbeat")[0] == "good"
    assert len(rig.do("traffic")["plcs"]["gear"]["writes"]) == 20


def test_the_dump_has_every_exchange_with_its_bytes(rig: RigProcess, tmp_path: Path) -> None:
    run_probe(tmp_path, "--meter", _at(rig, "main"), "--profile", "janitza-umg604", "--seconds", "1")

    lines = (tmp_path / "capture" / "exchanges.jsonl").read_text().splitlines()
    assert '"profile": "janitza-umg604"' in lines[0]
    assert len(lines) > 200
    assert all('"ask": "' in line and '"ms": ' in line for line in lines[1:])
