"""PLCs on libmodbus, over TCP and on a serial line: what is read, what is told, and how they fail."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from drivers.errors import Refused
from drivers.modbus.link import Link
from drivers.modbus.plc import PlcReader, PlcWriter
from drivers.modbus.serial import Line, SerialTransport
from drivers.modbus.transport import PymodbusTransport
from drivers.profile import load_profile
from tests.e2e.modbus.bad_line import pty_pair
from tests.e2e.modbus.plc import PlcProgram

UNIT = 20
CONTACTORS = load_profile("contactors-16")
NAMES = {"k1_52a": "di2", "k1_52b": "di3", "k2_52a": "di4"}
WRITE_COIL, WRITE_REGISTER, WRITE_COILS = 5, 6, 15

StartPlc = Callable[..., PlcProgram]


def to_tcp(plc: PlcProgram) -> Link:
    return Link(PymodbusTransport("127.0.0.1", plc.port), time.monotonic_ns, lambda: 0.5)


def to_line(port: Path) -> Link:
    line = Line(str(port), 115200, "N")
    return Link(SerialTransport(line), time.monotonic_ns, lambda: 0.5, byte_s=line.byte_s)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    return request.param  # type: ignore[no-any-return]


async def read(link: Link, reader: PlcReader) -> dict[str, float | None]:
    return {sample.point: sample.value for sample in (await reader.read_fast()).samples}


async def switch_and_beat(link: Link) -> None:
    """The whole of what a contactor's PLC is told, and what it shows of it."""
    reader, writer = PlcReader(link, UNIT, CONTACTORS, NAMES), PlcWriter(link, UNIT, CONTACTORS)
    try:
        before = await read(link, reader)
        assert (before["k1_52a"], before["k1_52b"], before["k2_52a"]) == (0.0, 1.0, 0.0)

        await writer.set_coils({"k1": True})
        await writer.beat(7)
        after = await read(link, reader)

        assert (after["k1_52a"], after["k1_52b"], after["k2_52a"]) == (1.0, 0.0, 0.0)
        assert after["heartbeat_echo"] == 7.0
        assert after["plc_counter"] != before["plc_counter"]
        assert await writer.read_coil("k1")

        await writer.set_coils({"k1": False, "k2": True, "k3": True})
        last = await read(link, reader)

        assert (last["k1_52a"], last["k2_52a"], last["di6"]) == (0.0, 1.0, 1.0)
        slow = {sample.point: sample.value for sample in (await reader.read_slow()).samples}
        assert slow == {"comm_timeout_s": 10.0}
    finally:
        await link.close()


def test_a_plc_over_tcp_does_what_its_coils_say(
    start_plc: StartPlc, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    plc = start_plc()
    plc.tell("holding 3 100")

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(switch_and_beat(to_tcp(plc)))

    written = [(asked.function, asked.at, asked.second) for asked in plc.requests() if asked.function >= WRITE_COIL]
    assert written == [(WRITE_COIL, 0, 0xFF00), (WRITE_REGISTER, 0, 7), (WRITE_COILS, 0, 3)]


def test_a_plc_on_a_serial_line_does_what_its_coils_say(
    start_plc: StartPlc, tmp_path: Path, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    with pty_pair(tmp_path) as (ours, theirs):
        plc = start_plc(str(theirs))
        plc.tell("holding 3 100")

        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(switch_and_beat(to_line(ours)))


def test_a_plc_whose_watchdog_tripped_refuses_everything_with_code_4(start_plc: StartPlc) -> None:
    plc = start_plc()
    plc.tell("trip")

    async def story() -> list[int]:
        link = to_tcp(plc)
        reader, writer = PlcReader(link, UNIT, CONTACTORS, NAMES), PlcWriter(link, UNIT, CONTACTORS)
        codes = []
        try:
            for ask in (reader.read_fast, lambda: writer.set_coils({"k1": False}), lambda: writer.beat(1)):
                with pytest.raises(Refused) as caught:
                    await ask()
                codes.append(caught.value.code)
            plc.tell("restart")
            assert (await read(link, reader))["k1_52b"] == 1.0
            assert reader.refused == ()
        finally:
            await link.close()
        return codes

    assert asyncio.run(story()) == [4, 4, 4]


def test_a_tank_is_read_as_worked_out_by_hand(start_plc: StartPlc) -> None:
    plc = start_plc()
    told = {0: 612, 1: 605, 2: 0x8000, 3: -15 & 0xFFFF, 8: 1000, 15: 0b11001, 16: 0b100000000001}
    for at, raw in told.items():
        plc.tell(f"holding {at} {raw}")

    async def story() -> tuple[dict[str, float | None], dict[str, str]]:
        link = to_tcp(plc)
        try:
            read = await PlcReader(link, 3, load_profile("two-phase-tank"), {"level_ok": "remote"}).read_fast()
        finally:
            await link.close()
        return {s.point: s.value for s in read.samples}, {s.point: s.bad for s in read.samples if s.bad}

    values, bad = asyncio.run(story())

    assert values["vapor_pressure_kpa_g"] == pytest.approx(6.12)
    assert values["condenser_flow_lpm"] == pytest.approx(60.5)
    assert values["coolant_c"] == pytest.approx(-1.5)
    assert values["power_permit_pct"] == pytest.approx(100.0)
    assert bad == {"coolant_level_pct": "absent (-0x8000)"}
    bits = {name for name, value in values.items() if value == 1.0}
    assert bits >= {"pump_1_run", "permit", "level_ok", "leak", "comm_lost"}
    assert (values["pump_2_run"], values["level_low"]) == (0.0, 0.0)


# Flow, outlet, inlet, two pressures, power, total, input voltage, air, duty, four pumps, fans, their speeds, capacity,
# four pumps' and the reservoir's status, lamps: raw registers, and what they say by the list's scales.
RPU_RAW = (
    *(753, 182, 0xFFEC, 1501, 0xFFF6, 12345, 9000, 2301, 251, 64, 3000, 3001, 3002, 3003, 2, 0, 0, 65000),
    *(0, 0, 0, 0, 0, 0b01100),
)
RPU_SAYS = {
    "coolant_flow_lpm": 75.3,
    "coolant_supply_c": 18.2,
    "coolant_return_c": -2.0,
    "coolant_supply_pressure_kpa": 150.1,
    "coolant_return_pressure_kpa": -1.0,
    "power_w": 1234.5,
    "air_inlet_c": 25.1,
    "pump_speed_pct": 64.0,
    "pump_1_rpm": 3000.0,
    "pump_4_rpm": 3003.0,
    "fan_1_status": 0.0,
    "fan_2_status": 1.0,
    "leak_lamp": 1.0,
    "fault_lamp": 1.0,
}


def test_a_reservoir_and_pumping_unit_is_read_as_worked_out_by_hand(
    serve: Callable[[str], tuple[int, object]],
) -> None:
    registers = "".join(f"holding {36864 + place} {raw:04x}\n" for place, raw in enumerate(RPU_RAW))
    leaks = "".join(f"holding {6565 + place} {int(place == 5):04x}\n" for place in range(8))
    port, _ = serve(registers + leaks)

    async def story() -> dict[str, float | None]:
        link = Link(PymodbusTransport("127.0.0.1", port), time.monotonic_ns, lambda: 0.5)
        reader = PlcReader(link, 12, load_profile("orv3-rpu"), {})
        try:
            reads = [await reader.read_fast(), await reader.read_slow()]
        finally:
            await link.close()
        return {sample.point: sample.value for read in reads for sample in read.samples}

    values = asyncio.run(story())

    assert {name: values[name] for name in RPU_SAYS} == pytest.approx(RPU_SAYS)
    assert values["cooling_capacity_w"] == pytest.approx(6500.0)
    assert values["voltage_input_v"] == pytest.approx(230.1)
    leaks_told = [name for name, value in values.items() if name.startswith("leak_") and value == 1.0]
    assert leaks_told == ["leak_lamp", "leak_hex_floor"]
