"""Each packaged meter, read over a real socket from a libmodbus server whose registers were worked out by hand."""

import asyncio
import time
from subprocess import Popen

import pytest
import uvloop

from drivers.modbus.link import Link
from drivers.modbus.meter import BlockRead, MeterReader, Proof, Proved
from drivers.modbus.plan import plan_reads
from drivers.modbus.sunspec import make_reader
from drivers.modbus.transport import PymodbusTransport
from drivers.profile import load_profile, packaged_profiles
from tests.e2e.modbus.conftest import Serve
from tests.e2e.modbus.profiles.floats import FLOAT_METERS
from tests.e2e.modbus.profiles.integers import INTEGER_METERS

DEVICES = {**FLOAT_METERS, **INTEGER_METERS}


async def read_all(port: int, profile: str, *, invert: bool = False) -> tuple[Proved, BlockRead, BlockRead]:
    link = Link(PymodbusTransport("127.0.0.1", port), time.monotonic_ns, lambda: 0.5)
    reader = make_reader(link, 1, profile, invert=invert)
    try:
        return await reader.probe(), await reader.read_fast(), await reader.read_slow()
    finally:
        await link.close()


def values(*reads: BlockRead) -> dict[str, float | None]:
    return {sample.point: sample.value for read in reads for sample in read.samples}


def reads_seen(process: Popen[str]) -> list[str]:
    process.kill()
    assert process.stdout is not None
    return process.stdout.read().splitlines()


def test_every_packaged_meter_is_among_them() -> None:
    profiles = {name: load_profile(name) for name in packaged_profiles()}

    assert sorted(DEVICES) == [name for name, one in profiles.items() if not one.is_plc and not one.sunspec]


@pytest.mark.parametrize("profile", DEVICES)
@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_each_point_has_the_value_that_the_registers_were_worked_out_for(
    serve: Serve, profile: str, loop: type[asyncio.AbstractEventLoop]
) -> None:
    device = DEVICES[profile]
    port, _ = serve(device.registers())

    with asyncio.Runner(loop_factory=loop) as runner:
        proved, fast, slow = runner.run(read_all(port, profile))

    told = values(fast, slow)
    expected = {point: value for point, (_, _, value) in device.points.items()}
    assert told.keys() == expected.keys()
    for point, value in expected.items():
        assert told[point] == (value if value is None else pytest.approx(value, rel=1e-12)), point
    bad = {sample.point for sample in (*fast.samples, *slow.samples) if sample.bad}
    assert bad == {point for point, value in expected.items() if value is None}
    assert proved.proof is device.proof


@pytest.mark.parametrize("profile", DEVICES)
def test_a_round_is_the_reads_that_were_planned_and_none_is_longer_than_the_manual_allows(
    serve: Serve, profile: str
) -> None:
    device = DEVICES[profile]
    port, process = serve(device.registers())

    asyncio.run(read_all(port, profile))

    probes = 0 if device.proof is Proof.UNPROVEN else 1
    rounds = [line.split() for line in reads_seen(process)][probes:]
    planned = [block for fast in (True, False) for block in plan_reads(load_profile(profile), fast=fast)]
    assert rounds == [[device.table, str(block.at), str(block.count)] for block in planned]
    assert max(block.count for block in planned) <= device.registers_max


def test_a_device_that_answers_another_identity_is_refused(serve: Serve) -> None:
    other = DEVICES["siemens-pac3200"].registers().replace("holding 64001 002a", "holding 64001 002b")
    port, _ = serve(other)

    proved, *_ = asyncio.run(read_all(port, "siemens-pac3200"))

    assert proved.proof is Proof.WRONG
    assert proved.detail == "holding 64001 is 43, siemens-pac3200 has 42"


def test_a_device_that_refuses_its_identity_is_unproven_and_read(serve: Serve) -> None:
    port, _ = serve(DEVICES["eastron-sdm630"].registers().replace("holding 10 4040 0000\n", ""))

    proved, fast, _ = asyncio.run(read_all(port, "eastron-sdm630"))

    assert proved.proof is Proof.UNPROVEN
    assert values(fast)["power_w"] == 1000.0


def test_a_register_that_is_missing_costs_its_own_points_alone(serve: Serve) -> None:
    registers = DEVICES["eastron-sdm630"].registers()
    frequency = "input 70 426f f000\n"
    assert frequency in registers
    port, _ = serve(registers.replace(frequency, ""))

    async def story() -> list[dict[str, float | None]]:
        link = Link(PymodbusTransport("127.0.0.1", port), time.monotonic_ns, lambda: 0.5)
        reader = MeterReader(link, 1, load_profile("eastron-sdm630"))
        try:
            return [values(await reader.read_fast()) for _ in range(3)]
        finally:
            await link.close()

    first, second, third = asyncio.run(story())

    assert (first["power_w"], first["frequency_hz"], first["voltage_l1_v"]) == (None, None, 230.5)
    assert (second["power_w"], second["frequency_hz"]) == (1000.0, None)
    assert third == second


def test_an_inverted_meter_gives_export_for_import_and_the_other_sign(serve: Serve) -> None:
    port, _ = serve(DEVICES["janitza-umg604"].registers())

    _, fast, slow = asyncio.run(read_all(port, "janitza-umg604", invert=True))

    told = values(fast, slow)
    assert (told["power_w"], told["power_l3_w"], told["reactive_var"]) == (-1000.0, 1500.0, 1000.0)
    assert (told["energy_import_wh"], told["energy_export_wh"]) == (0.5, 1234.5)
    assert (told["frequency_hz"], told["current_l1_a"]) == (59.984375, 5.0)


def test_words_in_the_wrong_order_are_not_taken_for_numbers(serve: Serve) -> None:
    device = DEVICES["ziehl-efr4001ip"]
    swapped = {name: (at, " ".join(reversed(words.split())), 0.0) for name, (at, words, _) in device.points.items()}
    port, _ = serve(type(device)(swapped, spans=device.spans, filler=device.filler).registers())

    _, fast, _ = asyncio.run(read_all(port, "ziehl-efr4001ip"))

    told = values(fast)
    assert [told[f"voltage_l{phase}_v"] for phase in (1, 2, 3)] == [None, None, None]
    assert told["frequency_hz"] is None
