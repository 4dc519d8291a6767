"""Each packaged profile, read over a real socket from a libmodbus server whose registers were worked out by hand.

The numbers are IEEE 754: 230.5 is 2^7 * 1.80078125, so 0x43000000 + 0x668000; a double is 0x3FF + exponent, then the
fraction. What the manual has between our points is filled with NaN: a value read from a wrong place is told at once.
"""

import asyncio
import time
from subprocess import Popen

import pytest
import uvloop

from drivers.modbus.link import Link
from drivers.modbus.meter import BlockRead, MeterReader, Proof, Proved
from drivers.modbus.transport import PymodbusTransport
from drivers.profile import load_profile, packaged_profiles
from tests.e2e.modbus.conftest import Serve

NAN = "7fc0 0000"

# point -> wire address, registers, value in the point's unit
SDM630 = {
    "voltage_l1_v": (0, "4366 8000", 230.5),
    "voltage_l2_v": (2, "4367 4000", 231.25),
    "voltage_l3_v": (4, "4365 c000", 229.75),
    "current_l1_a": (6, "40a0 0000", 5.0),
    "current_l2_a": (8, "40c0 0000", 6.0),
    "current_l3_a": (10, "40e0 0000", 7.0),
    "power_l1_w": (12, "447a 0000", 1000.0),
    "power_l2_w": (14, "44bb 8000", 1500.0),
    "power_l3_w": (16, "c4bb 8000", -1500.0),
    "power_w": (52, "447a 0000", 1000.0),
    "apparent_va": (56, "4640 e600", 12345.5),
    "reactive_var": (60, "c47a 0000", -1000.0),
    "power_factor": (62, "3f40 0000", 0.75),
    "frequency_hz": (70, "4246 0000", 49.5),
    "energy_import_wh": (72, "449a 5000", 1_234_500.0),  # 1234.5 kWh
    "energy_export_wh": (74, "3f00 0000", 500.0),  # 0.5 kWh
}
UMG604 = {
    "voltage_l1_v": (19000, "4366 8000", 230.5),
    "voltage_l2_v": (19002, "4367 4000", 231.25),
    "voltage_l3_v": (19004, "4365 c000", 229.75),
    "voltage_l12_v": (19006, "43c8 0000", 400.0),
    "voltage_l23_v": (19008, "43c8 8000", 401.0),
    "voltage_l31_v": (19010, "43c7 8000", 399.0),
    "current_l1_a": (19012, "40a0 0000", 5.0),
    "current_l2_a": (19014, "40c0 0000", 6.0),
    "current_l3_a": (19016, "40e0 0000", 7.0),
    "power_l1_w": (19020, "447a 0000", 1000.0),
    "power_l2_w": (19022, "44bb 8000", 1500.0),
    "power_l3_w": (19024, "c4bb 8000", -1500.0),
    "power_w": (19026, "447a 0000", 1000.0),
    "apparent_va": (19034, "4640 e600", 12345.5),
    "reactive_var": (19042, "c47a 0000", -1000.0),
    "frequency_hz": (19050, "426f f000", 59.984375),
    "energy_import_wh": (19068, "449a 5000", 1234.5),
    "energy_export_wh": (19076, "3f00 0000", 0.5),
}
PAC3200 = {
    "voltage_l1_v": (1, "4366 8000", 230.5),
    "voltage_l2_v": (3, "4367 4000", 231.25),
    "voltage_l3_v": (5, "4365 c000", 229.75),
    "voltage_l12_v": (7, "43c8 0000", 400.0),
    "voltage_l23_v": (9, "43c8 8000", 401.0),
    "voltage_l31_v": (11, "43c7 8000", 399.0),
    "current_l1_a": (13, "40a0 0000", 5.0),
    "current_l2_a": (15, "40c0 0000", 6.0),
    "current_l3_a": (17, "40e0 0000", 7.0),
    "power_l1_w": (25, "447a 0000", 1000.0),
    "power_l2_w": (27, "44bb 8000", 1500.0),
    "power_l3_w": (29, "c4bb 8000", -1500.0),
    "frequency_hz": (55, "4248 0000", 50.0),
    "apparent_va": (63, "4640 e600", 12345.5),
    "power_w": (65, "447a 0000", 1000.0),
    "reactive_var": (67, "c47a 0000", -1000.0),
    "power_factor": (69, "3f40 0000", 0.75),
    "energy_import_wh": (801, "4136 e360 0000 0000", 1_500_000.0),
    "energy_export_wh": (809, "4059 0000 0000 0000", 100.0),
}

# profile -> its points, their table, the spans that its manual fills without a hole, its identity, what a probe finds
DEVICES = {
    "eastron-sdm630": (SDM630, "input", [range(0, 76, 2)], ["holding 10 4040 0000"], Proof.PROVEN),
    "janitza-umg604": (UMG604, "holding", [range(19000, 19078, 2)], [], Proof.UNPROVEN),
    "siemens-pac3200": (
        PAC3200,
        "holding",
        [range(1, 71, 2), range(805, 809, 4)],
        ["holding 64001 002a" + " 0000" * 26],  # given as one block only
        Proof.PROVEN,
    ),
}


def registers(profile: str) -> str:
    points, table, spans, others, _ = DEVICES[profile]
    values = {at: words for at, words, _ in points.values()}
    for span in spans:
        filler = " ".join([NAN] * (span.step // 2))
        for at in span:
            values.setdefault(at, filler)
    return "".join(f"{table} {at} {words}\n" for at, words in values.items()) + "".join(f"{o}\n" for o in others)


async def read_all(port: int, profile: str, *, invert: bool = False) -> tuple[Proved, BlockRead, BlockRead]:
    link = Link(PymodbusTransport("127.0.0.1", port), time.monotonic_ns, lambda: 0.5)
    reader = MeterReader(link, 1, load_profile(profile), invert=invert)
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
    assert sorted(DEVICES) == [name for name in packaged_profiles() if not load_profile(name).is_plc]


@pytest.mark.parametrize("profile", DEVICES)
@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_each_point_has_the_value_that_the_registers_were_worked_out_for(
    serve: Serve, profile: str, loop: type[asyncio.AbstractEventLoop]
) -> None:
    port, _ = serve(registers(profile))

    with asyncio.Runner(loop_factory=loop) as runner:
        proved, fast, slow = runner.run(read_all(port, profile))

    points, *_, proof = DEVICES[profile]
    assert values(fast, slow) == {point: value for point, (_, _, value) in points.items()}
    assert not any(sample.bad for sample in (*fast.samples, *slow.samples))
    assert proved.proof is proof


@pytest.mark.parametrize("profile", DEVICES)
def test_a_fast_round_is_at_most_two_reads(serve: Serve, profile: str) -> None:
    port, process = serve(registers(profile))

    asyncio.run(read_all(port, profile))

    probes = 0 if DEVICES[profile][-1] is Proof.UNPROVEN else 1
    fast_and_slow = reads_seen(process)[probes:]
    assert [line.split()[0] for line in fast_and_slow] == [DEVICES[profile][1]] * len(fast_and_slow)
    assert len(fast_and_slow) <= 2 + 2


def test_a_device_that_answers_another_identity_is_refused(serve: Serve) -> None:
    other = registers("siemens-pac3200").replace("holding 64001 002a", "holding 64001 002b")
    port, _ = serve(other)

    proved, *_ = asyncio.run(read_all(port, "siemens-pac3200"))

    assert proved.proof is Proof.WRONG
    assert proved.detail == "holding 64001 is 43, siemens-pac3200 has 42"


def test_a_device_that_refuses_its_identity_is_unproven_and_read(serve: Serve) -> None:
    port, _ = serve(registers("eastron-sdm630").replace("holding 10 4040 0000\n", ""))

    proved, fast, _ = asyncio.run(read_all(port, "eastron-sdm630"))

    assert proved.proof is Proof.UNPROVEN
    assert values(fast)["power_w"] == 1000.0


def test_a_register_that_is_missing_costs_its_own_points_alone(serve: Serve) -> None:
    port, _ = serve(registers("eastron-sdm630").replace("input 70 4246 0000\n", ""))

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
    port, _ = serve(registers("janitza-umg604"))

    _, fast, slow = asyncio.run(read_all(port, "janitza-umg604", invert=True))

    told = values(fast, slow)
    assert (told["power_w"], told["power_l3_w"], told["reactive_var"]) == (-1000.0, 1500.0, 1000.0)
    assert (told["energy_import_wh"], told["energy_export_wh"]) == (0.5, 1234.5)
    assert (told["frequency_hz"], told["current_l1_a"]) == (59.984375, 5.0)
