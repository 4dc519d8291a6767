"""SunSpec meters found and read over a real socket from a libmodbus server.

A map is told to the server register by register, so that a read may start anywhere; what stands where is counted from
the tables of models 201 to 204 and 211 to 214 (json/model_203.json, json/model_213.json).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from subprocess import Popen
from typing import Any, TypeVar

import pytest

from drivers.errors import Garbled
from drivers.modbus.link import Link
from drivers.modbus.meter import BlockRead, Proof, Proved
from drivers.modbus.sunspec import Reader, make_reader
from drivers.modbus.transport import PymodbusTransport
from tests.e2e.modbus.conftest import Serve

T = TypeVar("T")

SUNS = [0x5375, 0x6E53]
END = [0xFFFF, 0]
COMMON = [1, 66, *[0x2020] * 66]  # names the device: 66 registers of text
UNKNOWN = [64001, 4, 1, 2, 3, 4]  # a maker's own model
INVERTER = [103, 50, *[0x7FFF] * 50]

# Model 203: offset from the ID -> register. A scale factor of -1 is 0xffff, of -2 0xfffe.
INTEGERS = {
    3: 0x0032, 4: 0x003C, 5: 0x0046, 6: 0xFFFF,  # 5.0, 6.0, 7.0 A in tenths
    8: 0x5A0A, 9: 0x5A55, 10: 0x59BF,  # 230.50, 231.25, 229.75 V in hundredths
    12: 0x3C40, 13: 0x8000, 14: 0x8000, 15: 0xFFFE,  # 15424 is 154.24 V, the highest is 327.67; no value; no value
    16: 0x176E, 17: 0xFFFE,  # 5998: 59.98 Hz
    18: 0x04D2, 19: 0x0190, 20: 0x03E8, 21: 0xFF5A, 22: 0x0001,  # 1234, 400, 1000, -166 tens of watts
    23: 0x04D6, 27: 0x0001,  # 1238 tens of VA
    28: 0xFF9C, 32: 0x0001,  # -100 tens of var
    33: 0xFC4A, 37: 0xFFFF,  # -950 tenths of a percent
    38: 0x0000, 39: 0x0003, 46: 0x0012, 47: 0xD687, 54: 0x0002,  # 3 and 1234567 (0x12d687) hundreds of Wh
}  # fmt: skip
INTEGER_VALUES = {
    "current_l1_a": 5.0,
    "current_l2_a": 6.0,
    "current_l3_a": 7.0,
    "voltage_l1_v": 230.5,
    "voltage_l2_v": 231.25,
    "voltage_l3_v": 229.75,
    "voltage_l12_v": 154.24,
    "voltage_l23_v": None,
    "voltage_l31_v": None,
    "frequency_hz": 59.98,
    "power_w": 12_340.0,
    "power_l1_w": 4000.0,
    "power_l2_w": 10_000.0,
    "power_l3_w": -1660.0,
    "apparent_va": 12_380.0,
    "reactive_var": -1000.0,
    "power_factor": -0.95,
    "energy_export_wh": 300.0,
    "energy_import_wh": 123_456_700.0,
}
# Model 213: offset of each float's first register -> its two; floats.py works such out.
FLOATS = {
    4: (0x40A0, 0), 6: (0x40C0, 0), 8: (0x40E0, 0),
    12: (0x4366, 0x8000), 14: (0x4367, 0x4000), 16: (0x4365, 0xC000),
    20: (0x43C8, 0), 22: (0x43C8, 0x8000), 24: (0x43C7, 0x8000),
    26: (0x426F, 0xF000), 28: (0x447A, 0), 30: (0x447A, 0), 32: (0x44BB, 0x8000), 34: (0xC4BB, 0x8000),
    36: (0x4640, 0xE600), 44: (0xC47A, 0), 52: (0x3F40, 0), 60: (0x3F00, 0), 68: (0x449A, 0x5000),
}  # fmt: skip
FLOAT_VALUES = {
    "current_l1_a": 5.0,
    "current_l2_a": 6.0,
    "current_l3_a": 7.0,
    "voltage_l1_v": 230.5,
    "voltage_l2_v": 231.25,
    "voltage_l3_v": 229.75,
    "voltage_l12_v": 400.0,
    "voltage_l23_v": 401.0,
    "voltage_l31_v": 399.0,
    "frequency_hz": 59.984375,
    "power_w": 1000.0,
    "power_l1_w": 1000.0,
    "power_l2_w": 1500.0,
    "power_l3_w": -1500.0,
    "apparent_va": 12_345.5,
    "reactive_var": -1000.0,
    "power_factor": 0.75,
    "energy_export_wh": 0.5,
    "energy_import_wh": 1234.5,
}


def integers(model: int = 203, changed: Mapping[int, int] | None = None) -> list[int]:
    """A meter in integers: what it does not have is 0x8000."""
    registers = {**INTEGERS, **(changed or {})}
    return [model, 105, *(registers.get(at, 0x8000) for at in range(2, 107))]


def floats(model: int = 213) -> list[int]:
    """A meter in floats: what it does not have is NaN."""
    words = {at + place: word for at, pair in FLOATS.items() for place, word in enumerate(pair)}
    return [model, 124, *(words.get(at, 0x7FC0) for at in range(2, 126))]


def lines(base: int, registers: list[int]) -> str:
    return "".join(f"holding {base + place} {register:04x}\n" for place, register in enumerate(registers))


def run(port: int, work: Callable[[Reader], Awaitable[T]], profile: str = "sunspec", invert: bool = False) -> T:
    async def whole() -> T:
        link = Link(PymodbusTransport("127.0.0.1", port), time.monotonic_ns, lambda: 0.5)
        try:
            return await work(make_reader(link, 1, profile, invert=invert))
        finally:
            await link.close()

    return asyncio.run(whole())


async def everything(reader: Reader) -> tuple[Proved, BlockRead, BlockRead]:
    return await reader.probe(), await reader.read_fast(), await reader.read_slow()


def values(*reads: BlockRead) -> dict[str, float | None]:
    return {sample.point: sample.value for read in reads for sample in read.samples}


def rounded(values: Mapping[str, float | None]) -> dict[str, Any]:
    return {point: None if value is None else pytest.approx(value, rel=1e-12) for point, value in values.items()}


def reads_seen(process: Popen[str]) -> list[str]:
    process.kill()
    assert process.stdout is not None
    return process.stdout.read().splitlines()


@pytest.mark.parametrize("model", [201, 202, 203, 204])
def test_a_meter_in_integers_is_found_and_read_with_its_scale_factors(serve: Serve, model: int) -> None:
    port, process = serve(lines(40000, [*SUNS, *COMMON, *integers(model), *END]))

    proved, fast, slow = run(port, everything)

    assert proved == Proved(Proof.PROVEN, f"SunSpec at holding 40000: model {model} at 40070, read as sunspec")
    assert values(fast, slow) == rounded(INTEGER_VALUES)
    # SunS, model 1, the meter; V, f and P with their factors in one read; the rest in another.
    assert reads_seen(process) == [
        "holding 40000 2",
        "holding 40002 2",
        "holding 40070 2",
        f"holding {40070 + 8} 15",
        f"holding {40070 + 3} 52",
    ]


@pytest.mark.parametrize("model", [211, 212, 213, 214])
def test_a_meter_in_floats_is_found_under_the_same_name(serve: Serve, model: int) -> None:
    port, _ = serve(lines(40000, [*SUNS, *COMMON, *floats(model), *END]))

    proved, fast, slow = run(port, everything)

    assert proved.detail == f"SunSpec at holding 40000: model {model} at 40070, read as sunspec-float"
    assert values(fast, slow) == rounded(FLOAT_VALUES)


@pytest.mark.parametrize("base", [50000, 0])
def test_the_list_may_begin_elsewhere_and_models_that_are_unknown_are_passed_over(serve: Serve, base: int) -> None:
    port, _ = serve(lines(base, [*SUNS, *COMMON, *UNKNOWN, *INVERTER, *integers(), *floats(), *END]))

    proved, fast, slow = run(port, everything)

    at = base + 2 + 68 + 6 + 52
    assert proved.detail == f"SunSpec at holding {base}: model 203 at {at}, read as sunspec"
    assert values(fast, slow) == rounded(INTEGER_VALUES)


def test_something_else_at_the_first_address_does_not_end_the_search(serve: Serve) -> None:
    port, _ = serve(lines(40000, [0x5375, 0x6E00]) + lines(50000, [*SUNS, *integers(), *END]))

    proved, *_ = run(port, everything)

    assert proved.detail == "SunSpec at holding 50000: model 203 at 50002, read as sunspec"


def test_scale_factors_that_change_between_two_reads_change_with_their_values(serve: Serve) -> None:
    power, factor = 40002 + 18, 40002 + 22
    # 12340 W as 1234 tens, then 25 kW as 25 thousands, then 999.9 W in tenths, then no factor at all.
    port, _ = serve(
        lines(40000, [*SUNS, *integers(), *END])
        + f"after 3 holding {power} 0019\nafter 3 holding {factor} 0003\n"
        + f"after 4 holding {power} 270f\nafter 4 holding {factor} ffff\n"
        + f"after 5 holding {factor} 8000\n"
    )

    async def four_times(reader: Reader) -> list[BlockRead]:
        await reader.probe()  # two reads
        return [await reader.read_fast() for _ in range(4)]

    reads = run(port, four_times)

    assert [values(read)["power_w"] for read in reads] == [12_340.0, 25_000.0, pytest.approx(999.9), None]
    assert [values(read)["frequency_hz"] for read in reads] == [pytest.approx(59.98)] * 4
    assert [sample.bad for sample in reads[3].samples if sample.point == "power_w"] == ["not a number"]


def test_a_scale_factor_beyond_what_sunspec_has_makes_no_number(serve: Serve) -> None:
    port, _ = serve(lines(40000, [*SUNS, *integers(changed={22: 11}), *END]))

    _, fast, _ = run(port, everything)

    assert values(fast)["power_w"] is None
    assert values(fast)["frequency_hz"] == pytest.approx(59.98)


@pytest.mark.parametrize(
    ("registers", "detail"),
    [
        ([*SUNS, *COMMON, *INVERTER], "unit 1 has SunS, models 1, 103, and at holding 40122 neither another"),
        ([*SUNS, *COMMON, 0, 0, 0], "unit 1 has SunS, models 1, and at holding 40070 neither another"),
        ([*SUNS], "unit 1 has SunS, no model, and at holding 40002 neither another"),
        ([*SUNS, *COMMON, *INVERTER, *END], "unit 1 has SunS, models 1, 103, and none of 201, 202, 203, 204, 211, 212"),
        # A marker without its length, as some devices have it.
        ([*SUNS, *COMMON, 0xFFFF], "unit 1 has SunS, models 1, and none of 201, 202, 203, 204, 211, 212, 213, 214"),
        ([*SUNS, 203, 20, *[0] * 20, *END], "model 203 at holding 40002 is 20 registers long, sunspec reads 53"),
        ([1, 2, 3], "unit 1 has no SunS at holding 40000, 50000 or 0"),
        ([], "unit 1 has no SunS at holding 40000, 50000 or 0"),
    ],
    ids=["no end", "zeros", "nothing", "no meter", "half an end", "too short", "other", "empty"],
)
def test_a_list_without_a_meter_is_told_as_what_it_is(serve: Serve, registers: list[int], detail: str) -> None:
    port, _ = serve(lines(40000, registers))

    proved = run(port, lambda reader: reader.probe())

    assert proved.proof is Proof.WRONG
    assert proved.detail.startswith(detail)


def test_a_read_before_a_probe_looks_for_the_meter_and_says_why_there_is_none(serve: Serve) -> None:
    port, _ = serve(lines(40000, [*SUNS, *integers(), *END]))
    other, _ = serve(lines(40000, [*SUNS, *COMMON, *END]))

    assert values(run(port, lambda reader: reader.read_fast()))["power_w"] == 12_340.0
    with pytest.raises(Garbled, match="has SunS, models 1, and none of 201"):
        run(other, lambda reader: reader.read_fast())


def test_a_list_that_moved_is_found_again_by_the_next_probe(serve: Serve) -> None:
    # After the first probe (two reads) and a read, an unknown model of one register stands before the meter.
    moved = lines(40000, [*SUNS, 64002, 1, 0, *integers(), *END])
    later = "".join(f"after 3 {line}\n" for line in moved.splitlines()[2:28])
    port, _ = serve(lines(40000, [*SUNS, *integers(), *END]) + "holding 40111 8000\n" + later)

    async def twice(reader: Reader) -> tuple[BlockRead, Proved, BlockRead]:
        await reader.probe()
        before = await reader.read_fast()
        return before, await reader.probe(), await reader.read_fast()

    before, proved, after = run(port, twice)

    assert proved.detail == "SunSpec at holding 40000: model 203 at 40005, read as sunspec"
    assert values(before) == values(after)


def test_a_sunspec_meter_wired_the_other_way_round_is_inverted(serve: Serve) -> None:
    port, _ = serve(lines(40000, [*SUNS, *integers(), *END]))

    _, fast, slow = run(port, everything, invert=True)

    told = values(fast, slow)
    assert (told["power_w"], told["power_l3_w"]) == (-12_340.0, 1660.0)
    assert (told["energy_import_wh"], told["energy_export_wh"]) == (300.0, 123_456_700.0)


def test_a_site_can_insist_on_floats(serve: Serve) -> None:
    port, _ = serve(lines(40000, [*SUNS, *integers(), *floats(), *END]))

    proved = run(port, lambda reader: reader.probe(), profile="sunspec-float")

    assert proved.detail == "SunSpec at holding 40000: model 213 at 40109, read as sunspec-float"
