"""The rig's physics on the wire: an island's frequency as foreign Modbus clients read it, GPUs as a foreign NVML
client does."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from hil.contactors import ContactorConfig, ContactorsConfig
from hil.gpu.host import InferenceConfig
from hil.island import GensetConfig
from hil.loopback import free_block
from hil.meter import Noise
from hil.remote import RigError, RigProcess
from hil.rig import MeterConfig, MinerGroup, RigConfig
from tests.e2e.hil.conftest import mbpoll

_PATIENCE_S = 60.0  # of the tests, not a limit of the rig
_WATTS, _HERTZ, _VOLTS = 19026, 19050, 19000
_POWER = """
import ctypes, time
nvml = ctypes.CDLL("libnvidia-ml.so.1")
gpu, mw = ctypes.c_void_p(), ctypes.c_uint()
assert nvml.nvmlInitWithFlags(0) == 0
assert nvml.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(gpu)) == 0
while True:
    assert nvml.nvmlDeviceGetPowerUsage(gpu, ctypes.byref(mw)) == 0
    print(mw.value / 1000, flush=True)
    time.sleep(0.05)
"""


@pytest.fixture
def island() -> Iterator[RigProcess]:
    config = RigConfig(
        miners=(MinerGroup(free_block(), 20, family="cgminer", rated_w=3000.0),),
        meters=(
            MeterConfig(refresh_ms=50.0, averages=True, noise=Noise(power=0.0)),
            MeterConfig(id="tie", at="tie", refresh_ms=50.0, noise=Noise(power=0.0)),
        ),
        switchgears=(
            ContactorsConfig(contactors=(ContactorConfig("k1", coil=1, closed=2, open=3),), inputs={"q52g_open": 1}),
        ),
        nominal_ln_v=230.0,
        feeder="transformer-1600kva-400v",
        genset=GensetConfig(rated_w=80_000.0, tied_w=40_000.0, tie_open="switchgear.q52g_open"),
        unmetered_w=2_000.0,
    )
    with RigProcess(config) as rig:
        yield rig


def _until(holds: Any, what: str) -> None:
    """Waits until something holds; fails when it never does."""
    end_s = time.monotonic() + _PATIENCE_S
    while not holds():
        assert time.monotonic() < end_s, f"it never came to hold: {what}"
        time.sleep(0.05)


def _read(rig: RigProcess, at: int, meter: str = "main") -> float:
    return mbpoll(rig.meters[meter][1], 1, "4:float", at)[0]


def _curtail(rig: RigProcess, count: int) -> None:
    for miner in rig.miners[:count]:
        host, _, port = miner.partition(":")
        with socket.create_connection((host, int(port)), timeout=_PATIENCE_S) as link:
            link.sendall(b"ascdisable|0")
            while link.recv(4096):
                pass


def test_an_island_that_sheds_has_its_frequency_back_as_a_modbus_client_reads_it(island: RigProcess) -> None:
    plc = int(island.plcs["switchgear"].rpartition(":")[2])
    _until(lambda: _read(island, _WATTS, "tie") == pytest.approx(22_000, rel=0.01), "the set makes its 40 kW")
    assert mbpoll(plc, 20, "1", 0) == [0]
    assert _read(island, _HERTZ) == 50.0

    island.do("island")
    _until(lambda: _read(island, _HERTZ) == pytest.approx(49.45, abs=0.003), "50 (1 - 0.04 x 22 / 80)")
    assert mbpoll(plc, 20, "1", 0) == [1]
    assert _read(island, _WATTS, "tie") == 0.0
    assert _read(island, _HERTZ, "tie") == 50.0

    _curtail(island, 10)

    _until(lambda: _read(island, _WATTS) == pytest.approx(32_600, rel=0.002), "ten miners are at their 60 W")
    _until(lambda: _read(island, _HERTZ) == pytest.approx(50.185, abs=0.003), "50 (1 + 0.04 x 7.4 / 80)")


def test_a_tripped_set_leaves_a_dead_bus_and_dark_miners_and_a_started_one_feeds_them(island: RigProcess) -> None:
    island.do("island")
    island.do("genset", deed="trip")

    _until(lambda: _read(island, _WATTS) == 0.0, "nothing is drawn")
    assert _read(island, _VOLTS) == 0.0
    assert not any(miner["watts"] for miner in island.do("state")["miners"].values())
    with pytest.raises(ConnectionRefusedError):
        _curtail(island, 1)

    island.do("genset", deed="start")

    _until(lambda: island.do("state")["island"]["running"], "it takes load after its ten seconds")
    _until(lambda: _read(island, _WATTS) > 60_000, "miners start by themselves")
    _curtail(island, 1)


def test_the_voltage_at_the_site_is_what_its_load_leaves(island: RigProcess) -> None:
    _until(lambda: _read(island, _WATTS, "tie") == pytest.approx(22_000, rel=0.01), "the set makes its 40 kW")
    loaded_v = _read(island, _VOLTS)

    island.do("bias", watts=1_000_000.0)

    _until(lambda: _read(island, _VOLTS) < loaded_v - 2.0, "a megawatt more leaves about 2 V less")


def test_gpus_that_serve_a_recorded_conversation_swing_with_it() -> None:
    config = RigConfig(gpus=2, inference=InferenceConfig("llama-3.1-8b-h100", share=0.05))
    with RigProcess(config) as rig:
        client = subprocess.Popen(
            [sys.executable, "-c", _POWER], stdout=subprocess.PIPE, text=True, env=os.environ | rig.gpud_environment
        )
        try:
            assert client.stdout is not None
            seen: list[float] = []
            for line in client.stdout:
                seen.append(float(line))
                if max(seen) > 400.0 and min(seen[seen.index(max(seen)) :]) < 200.0:  # it answered, and rests
                    break
                assert len(seen) < 20 * _PATIENCE_S, f"between {min(seen)} and {max(seen)} W for a minute"
        finally:
            client.kill()
            client.wait()
            if client.stdout is not None:
                client.stdout.close()

        def both_answered() -> bool:
            served = rig.do("state")["inference"]
            return [one["generated_tokens"] > 0 and one["decode_j"] > 0 for one in served] == [True, True]

        _until(both_answered, "each GPU has had requests of its own")
        rig.do("inference", serves=None)
        assert rig.do("state")["inference"] == []
        with pytest.raises(RigError, match="multiple"):
            rig.do("inference", serves="llama-3.1-70b-4xh100")
