"""Looking for a SunSpec model on a device that is silent, at fault, or says the same for ever."""

import pytest

from drivers.errors import Refused, Silent
from drivers.modbus.codes import refusal
from drivers.modbus.meter import MeterReader, Proof
from drivers.modbus.sunspec import LISTS, MARK, MODELS_MAX, SunspecReader, make_reader, placed
from drivers.profile import load_profile
from tests.drivers.modbus.fakes import SILENT, FakeTransport, link_to, on_virtual_time

PLACE = FakeTransport.address


def refused(code: int) -> Refused:
    return Refused(PLACE, code, refusal(1, code))


def reader_of(transport: FakeTransport) -> SunspecReader:
    return SunspecReader(link_to(transport), 1, tuple(map(load_profile, LISTS)))


def test_a_device_that_is_silent_is_not_told_to_be_another() -> None:
    async def story() -> None:
        with pytest.raises(Silent):
            await reader_of(FakeTransport([MARK, SILENT])).probe()

    on_virtual_time(story())


def test_a_device_at_fault_is_not_told_to_be_another() -> None:
    async def story() -> None:
        with pytest.raises(Refused, match="code 4"):
            await reader_of(FakeTransport([refused(4)])).probe()

    on_virtual_time(story())


def test_registers_that_are_refused_are_passed_over_in_the_search() -> None:
    transport = FakeTransport([refused(2), MARK, (1, 66), (203, 105)])

    async def story() -> str:
        return (await reader_of(transport).probe()).detail

    assert on_virtual_time(story()) == "SunSpec at holding 50000: model 203 at 50070, read as sunspec"
    assert [at for _, _, at, _ in transport.reads] == [40000, 50000, 50002, 50070]


def test_a_list_that_goes_on_for_ever_is_given_up() -> None:
    transport = FakeTransport([MARK, *[(64001, 0)] * (MODELS_MAX + 10)])

    async def story() -> Proof:
        return (await reader_of(transport).probe()).proof

    assert on_virtual_time(story()) is Proof.WRONG
    assert len(transport.reads) == 1 + MODELS_MAX


def test_a_list_that_leads_out_of_the_table_is_given_up() -> None:
    transport = FakeTransport([MARK, (64001, 0xFFF0)])

    async def story() -> str:
        return (await reader_of(transport).probe()).detail

    assert on_virtual_time(story()).endswith("neither another nor the end marker 0xffff")
    assert len(transport.reads) == 2


def test_points_that_were_refused_are_asked_for_again_when_they_are_forgotten() -> None:
    # The meter is found; its fast block is refused whole, then its halves.
    transport = FakeTransport([MARK, (203, 105), refused(2), refused(2), refused(2), refused(2)])

    async def story() -> tuple[tuple[str, ...], tuple[str, ...]]:
        reader = reader_of(transport)
        await reader.probe()
        for _ in range(2):
            with pytest.raises(Refused):
                await reader.read_fast()
        before = reader.refused
        reader.forget_refusals()
        return before, reader.refused

    before, after = on_virtual_time(story())

    assert set(before) >= {"power_w", "frequency_hz"}
    assert after == ()


def test_a_model_is_moved_with_its_scale_factors_and_its_span() -> None:
    profile = placed(load_profile("sunspec"), 40070)

    power = next(point for point in profile.points if point.name == "power_w")
    assert (power.at, power.scale_at) == (40088, 40092)
    assert profile.readable == ((40070, 40177),)
    assert profile.sunspec == ()


def test_another_meter_has_a_reader_of_its_own() -> None:
    async def story() -> bool:
        return isinstance(make_reader(link_to(FakeTransport()), 1, "janitza-umg604"), MeterReader)

    assert on_virtual_time(story())
