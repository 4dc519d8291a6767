"""The rig's own Modbus client against libmodbus: a meter that is read, a relay that is switched, what goes wrong."""

import struct
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hil.loopback import free_port
from hil.meter import load_layout
from hil.rig_modbus import ModbusClient, ModbusRefused, read_quantities
from hil.rig_real import RealRelay
from tests.e2e.modbus.plc import PlcProgram

SOURCES = Path(__file__).parent.parent / "modbus"
RELAY_UNIT = 20
WRITE_COIL = 5
ON, OFF = 0xFF00, 0


def compiled(folder: Path, name: str) -> Path:
    program = folder / name
    subprocess.run(["cc", "-O1", "-o", str(program), str(SOURCES / f"{name}.c"), "-lmodbus"], check=True)
    return program


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[PlcProgram]:
    plc = PlcProgram(compiled(tmp_path, "plc"))
    yield plc
    plc.stop()


@pytest.fixture
def meter(tmp_path: Path) -> Iterator[int]:
    """A libmodbus server that shows 45.5 kW and 49.93 Hz where a Janitza does; its port."""
    words = {1369: 45_500.0, 1439: 49.93}
    lines = [f"holding {at} {struct.pack('>f', value).hex(' ', 2)}" for at, value in words.items()]
    process = subprocess.Popen([compiled(tmp_path, "server")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n".join(lines) + "\n")
    process.stdin.close()
    yield int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_meter_is_read_by_its_layout(meter: int) -> None:
    with ModbusClient(f"tcp://127.0.0.1:{meter}", 1) as client:
        values = read_quantities(client, load_layout("janitza-umg604"), ("watts", "hertz"))

    assert values == pytest.approx({"watts": 45_500.0, "hertz": 49.93}, rel=1e-6)


def test_several_threads_may_read_one_meter(meter: int) -> None:
    with ModbusClient(f"tcp://127.0.0.1:{meter}", 1) as client, ThreadPoolExecutor(4) as pool:
        read = list(pool.map(lambda _: client.read_registers("holding", 1369, 2), range(400)))

    assert len(set(read)) == 1


def test_a_refusal_is_no_silence(meter: int) -> None:
    with ModbusClient(f"tcp://127.0.0.1:{meter}", 1) as client:
        with pytest.raises(ModbusRefused, match="refuses function 3 with code 2"):
            client.read_registers("holding", 5, 2)
        assert client.read_registers("holding", 1369, 2), "and the connection goes on"


def test_nobody_there_is_an_error_that_can_be_tried_again(meter: int) -> None:
    with (
        ModbusClient(f"tcp://127.0.0.1:{free_port()}", 1) as client,
        pytest.raises(ConnectionRefusedError),
    ):
        client.read_registers("holding", 1369, 2)


def test_an_address_without_a_port_is_refused_with_the_mend() -> None:
    with pytest.raises(ValueError, match="write tcp://HOST:PORT"):
        ModbusClient("10.0.0.1", 1)


def test_a_relay_is_switched_and_left_as_it_was_found(relay: PlcProgram) -> None:
    driver = RealRelay(f"tcp://127.0.0.1:{relay.port}", RELAY_UNIT)

    driver.switch(3, True)
    driver.switch(4, True)
    driver.switch(4, False)
    driver.close()

    written = [(one.at, one.second) for one in relay.requests() if one.function == WRITE_COIL]
    assert written == [(3, ON), (4, ON), (4, OFF), (3, OFF)]
