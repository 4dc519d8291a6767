"""`ballast-hil probe` against miners: stand-ins that are switched beside a meter, and replays of recorded ones."""

import signal
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hil.loopback import free_block
from hil.miner import Family
from hil.remote import RigProcess
from hil.rig import MeterConfig, MinerGroup, RigConfig
from hil.waiting import eventually
from tests.e2e.hil.probed_devices import replay
from tests.e2e.hil.probing import command, run_probe

_REFRESH_S = 0.05
_BUSY_S = 0.25  # what a busy machine may add to either side
_UNMETERED_W = 5_000.0
_SWITCH = ("--actuate", "--yes", "--cycles", "1", "--seconds", "1")


@pytest.fixture(scope="module")
def rig() -> Iterator[RigProcess]:
    first = free_block()
    net = first.rpartition(".")[0]
    config = RigConfig(
        miners=(MinerGroup(first, 2, "cgminer"), MinerGroup(f"{net}.11", 1, "luxos")),
        meters=(MeterConfig(refresh_ms=1000 * _REFRESH_S),),
        unmetered_w=_UNMETERED_W,
    )
    with RigProcess(config) as rig:
        yield rig


def _beside_meter(rig: RigProcess) -> tuple[str, ...]:
    host, port = rig.meters["main"]
    return ("--at-meter", f"{host}:{port}", "--profile", "janitza-umg604")


def _delivered_s(rig: RigProcess, miner: str, verb: str) -> float:
    """The truth: from the verb's stamp at the stand-in until its watts' stamps at the plant have gone nine tenths of
    their way for good. Nothing of the probe's is in it.
    """
    stamps = rig.do("stamps")
    told_ns = next(at_ns for at_ns, what in reversed(stamps["miners"][miner]) if what == verb)
    later = [row for row in stamps["meters"]["main"] if row["changed_ns"] > told_ns]
    if verb == "off":  # up to where it was told to wake
        woken_ns = next((at_ns for at_ns, what in stamps["miners"][miner] if what == "on" and at_ns > told_ns), 1 << 63)
        later = [row for row in later if row["changed_ns"] < woken_ns]
    before, after = later[0]["watts"], later[-1]["watts"]
    there_ns = later[-1]["changed_ns"]
    for row in reversed(later):
        if abs(row["watts"] - before) < 0.9 * abs(after - before):
            break
        there_ns = row["changed_ns"]
    return float((there_ns - told_ns) / 1e9)


def _stages(report: dict[str, Any], witness: str) -> dict[str, float]:
    return {
        "off" if stage["down"] else "on": stage[witness]["there_s"]
        for stage in report["measured"]["stages"]
        if stage[witness]
    }


def test_a_miner_without_watts_is_timed_at_the_meter_beside_it(rig: RigProcess, tmp_path: Path) -> None:
    miner = rig.miners[0].partition(":")[0]

    probed = run_probe(tmp_path, "--miner", miner, *_SWITCH, *_beside_meter(rig))

    assert probed.code == 0, probed.errors
    told = _stages(probed.report, "meter")
    for verb in ("off", "on"):
        assert told[verb] == pytest.approx(_delivered_s(rig, miner, verb), rel=0.1, abs=_BUSY_S)
    assert "moved nothing" not in probed.finding("acknowledgement")[1]
    assert probed.finding("silent client")[0] == "note"  # its one thread waits
    table = tomllib.loads((tmp_path / "step-times.toml").read_text())["cgminer"]
    family = msgspec.convert({"terahash_per_kw": 0.0, **table}, Family)
    assert family.stuck == 0.0
    assert family.down_delay_s[0] + family.down_ramp_s[0] == pytest.approx(told["off"] / 0.95, rel=0.2)
    assert rig.do("state")["miners"][miner]["on"]


def test_a_luxos_miner_s_own_watts_agree_with_the_meter(rig: RigProcess, tmp_path: Path) -> None:
    miner = rig.miners[2].partition(":")[0]

    probed = run_probe(tmp_path, "--miner", miner, *_SWITCH, *_beside_meter(rig))

    assert probed.code == 0, probed.errors
    own, meter = _stages(probed.report, "own"), _stages(probed.report, "meter")
    for verb in ("off", "on"):
        assert own[verb] == pytest.approx(meter[verb], rel=0.1, abs=0.3)
        assert meter[verb] == pytest.approx(_delivered_s(rig, miner, verb), rel=0.1, abs=_BUSY_S)
    assert probed.finding("own watts")[0] == "good"
    text = (tmp_path / "step-times.toml").read_text()
    assert "rated_w = 3300" in text
    assert "sleep_w = 25" in text


def test_a_liar_is_found_out_at_the_meter_and_is_left_awake(rig: RigProcess, tmp_path: Path) -> None:
    miner = rig.miners[1].partition(":")[0]
    rig.do("lie", lie="liar", miners=[miner])

    probed = run_probe(tmp_path, "--miner", miner, *_SWITCH, "--settle", "8", *_beside_meter(rig))

    assert probed.code == 1
    assert "nothing moved at the meter in 1 of 1" in probed.finding("time to shed")[1]
    verdict, words = probed.finding("acknowledgement")
    assert verdict == "bad"
    assert "a meter or a contactor must judge it" in words
    assert not (tmp_path / "step-times.toml").exists()
    assert rig.do("state")["miners"][miner]["told_on"]


def test_a_probe_that_is_interrupted_leaves_the_miner_awake(rig: RigProcess, tmp_path: Path) -> None:
    miner = rig.miners[0].partition(":")[0]
    rig.do("clear")
    process = subprocess.Popen(command(tmp_path, "--miner", miner, *_SWITCH), stdout=subprocess.PIPE)
    try:
        eventually("it is asleep", lambda: rig.do("stamps")["miners"][miner], 60)
        process.send_signal(
            signal.SIGTERM
        )  # which is an interrupt to it; SIGINT itself is ignored by what a shell put behind
        process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()

    assert process.returncode == 130
    assert [verb for _, verb in rig.do("stamps")["miners"][miner]] == ["off", "on"]
    eventually("it is awake", lambda: rig.do("state")["miners"][miner]["on"])


def test_one_that_is_asleep_already_is_not_switched(rig: RigProcess, tmp_path: Path) -> None:
    miner = rig.miners[1].partition(":")[0]
    rig.do("lie", lie="none", miners=[miner])
    rig.do("move", on=False, miners=[miner])
    rig.do("clear")

    probed = run_probe(tmp_path, "--miner", miner, *_SWITCH)

    assert probed.code == 1
    assert "who put it there is not known" in probed.finding("switching")[1]
    assert rig.do("stamps")["miners"][miner] == []


def test_without_a_yes_nothing_is_switched_and_without_actuate_nothing_is_written(
    rig: RigProcess, tmp_path: Path
) -> None:
    miner = rig.miners[0].partition(":")[0]
    rig.do("clear")

    declined = run_probe(tmp_path, "--miner", miner, "--actuate", typed="\n")
    read = run_probe(tmp_path, "--miner", miner, "--seconds", "1")

    assert declined.code == 7
    assert "to sleep and wakes it again" in declined.errors
    assert read.code == 0
    assert rig.do("stamps")["miners"][miner] == []
    # What a stand-in counts as a write is whatever is no report: here the commands that are none, and the broken JSON.
    written = {request for _, request in rig.do("traffic")["miners"][miner]["writes"]}
    assert all("bogus" in request or not request.endswith("}") for request in written), written


@pytest.mark.parametrize(
    ("folder", "family", "device"),
    [("bfgminer-5.5.0-local", "bfgminer", "5.5.0"), ("cgminer-4.11.1-local", "cgminer", "4.11.1")],
)
def test_a_recorded_miner_is_recognised_and_its_replies_are_kept_byte_for_byte(
    tmp_path: Path, folder: str, family: str, device: str
) -> None:
    with replay(folder) as recorded:
        probed = run_probe(tmp_path, "--miner", recorded.at, "--seconds", "1")

    captured = Path(__file__).parents[2] / "captures" / "miners" / folder
    assert probed.code == 0, probed.errors
    assert probed.report["measured"]["family"] == family
    assert device in probed.report["device"]
    assert probed.finding("end of replies")[1].startswith("NUL, closed")
    assert "23" in probed.finding("broken JSON")[1]
    for file in ("version.json", "summary.json", "devs.json", "stats.json", "summary.txt", "bad-json.json"):
        assert (tmp_path / "capture" / file).read_bytes() == (captured / file).read_bytes()
    rows = (tmp_path / "capture" / "requests.tsv").read_text().splitlines()
    assert f'version.json\t{{"command":"version"}}\t{len((captured / "version.json").read_bytes())}' in rows
