"""The meter reader: what a round brings, what a refusal does to it, and what the probe finds."""

import pytest

from drivers.errors import Refused, Silent
from drivers.modbus.meter import MeterReader, Proof
from drivers.profile import KINDS, Identity, Point, Profile, load_profile
from drivers.sample import Sample
from tests.drivers.modbus.fakes import SILENT, FakeTransport, link_to, on_virtual_time

WORD = KINDS["uint16"]
IDENTITY = Identity(at=64_001, kind=WORD, expect=(42,), table="input", count=27)


def meter(*points: Point, identity: Identity | None = None) -> Profile:
    return Profile(
        name="made-up",
        source="a test",
        word_order="big",
        registers_max=60,
        table="holding",
        points=points,
        identity=identity,
    )


FAST = (
    Point("power_w", 0, WORD, fast=True),
    Point("voltage_l1_v", 2, WORD, fast=True),
    Point("frequency_hz", 40, WORD, fast=True),
)


def test_a_round_brings_every_point_of_its_class_and_the_age_of_the_oldest() -> None:
    async def story() -> None:
        transport = FakeTransport([(10, 11, 12), (50,)], took_s=0.004)
        reader = MeterReader(link_to(transport), 3, meter(*FAST))

        read = await reader.read_fast()

        assert read.samples == (
            Sample("power_w", 10.0),
            Sample("voltage_l1_v", 12.0),
            Sample("frequency_hz", 50.0),
        )
        assert read.registers == (10, 11, 12, 50)
        assert read.taken_ns - read.asked_ns == 2_000_000  # half of the first read
        assert read.answered_ns - read.asked_ns == 8_000_000
        assert transport.reads == [(3, "holding", 0, 3), (3, "holding", 40, 1)]

    on_virtual_time(story())


def test_a_round_without_points_asks_for_nothing() -> None:
    async def story() -> None:
        transport = FakeTransport()
        reader = MeterReader(link_to(transport), 3, meter(*FAST))

        read = await reader.read_slow()

        assert read.samples == ()
        assert transport.reads == []

    on_virtual_time(story())


@pytest.mark.parametrize("code", [1, 2, 3])
def test_a_refused_block_is_split_once_and_what_is_refused_again_is_left_alone(code: int) -> None:
    async def story() -> None:
        transport = FakeTransport()
        reader = MeterReader(link_to(transport), 3, meter(*FAST))

        transport.sayings.extend([Refused("a", code, "no"), (50,)])
        first = await reader.read_fast()
        assert [sample.value for sample in first.samples] == [None, None, 50.0]
        assert first.samples[0].bad == "refused by the device"

        transport.sayings.extend([(10,), Refused("a", code, "no"), (50,)])
        second = await reader.read_fast()
        assert [sample.value for sample in second.samples] == [10.0, None, 50.0]
        assert list(reader.refused) == ["voltage_l1_v"]

        transport.sayings.extend([(11,), (51,)])
        third = await reader.read_fast()
        assert [sample.value for sample in third.samples] == [11.0, None, 51.0]

        reader.forget_refusals()
        transport.sayings.extend([(12, 0, 230), (52,)])
        fourth = await reader.read_fast()
        assert [sample.value for sample in fourth.samples] == [12.0, 230.0, 52.0]
        assert not reader.refused

    on_virtual_time(story())


def test_a_round_that_is_refused_throughout_is_a_refusal() -> None:
    async def story() -> None:
        transport = FakeTransport([Refused("a", 2, "no")] * 2)
        reader = MeterReader(link_to(transport), 3, meter(FAST[0]))

        for _ in range(3):
            with pytest.raises(Refused) as caught:
                await reader.read_fast()
            assert caught.value.code == 2

        assert len(transport.reads) == 1  # then it is left alone

    on_virtual_time(story())


@pytest.mark.parametrize("code", [4, 10, 11])
def test_a_fault_of_the_device_or_of_its_gateway_ends_the_round_and_splits_nothing(code: int) -> None:
    async def story() -> None:
        transport = FakeTransport([Refused("a", code, "no"), (10, 11, 12), (50,)])
        reader = MeterReader(link_to(transport), 3, meter(*FAST))

        with pytest.raises(Refused):
            await reader.read_fast()

        assert len((await reader.read_fast()).samples) == 3
        assert not reader.refused

    on_virtual_time(story())


def test_silence_ends_the_round() -> None:
    async def story() -> None:
        reader = MeterReader(link_to(FakeTransport([SILENT])), 3, meter(*FAST))

        with pytest.raises(Silent):
            await reader.read_fast()

    on_virtual_time(story())


@pytest.mark.parametrize(
    ("saying", "proof"),
    [
        ((42, *range(26)), Proof.PROVEN),
        ((43, *range(26)), Proof.WRONG),
        (Refused("a", 2, "no such register"), Proof.UNPROVEN),
    ],
)
def test_a_wrong_answer_to_the_probe_refuses_the_device_and_a_refused_register_leaves_it_unproven(
    saying: tuple[int, ...] | Refused, proof: Proof
) -> None:
    async def story() -> None:
        transport = FakeTransport([saying])
        reader = MeterReader(link_to(transport), 3, meter(*FAST, identity=IDENTITY))

        assert (await reader.probe()).proof is proof
        assert transport.reads == [(3, "input", 64_001, 27)]

    on_virtual_time(story())


def test_a_silent_device_is_not_unproven_but_silent() -> None:
    async def story() -> None:
        reader = MeterReader(link_to(FakeTransport([SILENT])), 3, meter(*FAST, identity=IDENTITY))

        with pytest.raises(Silent):
            await reader.probe()

    on_virtual_time(story())


def test_a_profile_without_an_identity_register_is_unproven() -> None:
    async def story() -> None:
        reader = MeterReader(link_to(FakeTransport()), 3, meter(*FAST))

        assert (await reader.probe()).proof is Proof.UNPROVEN

    on_virtual_time(story())


def test_an_inverted_meter_says_export_where_it_meant_import() -> None:
    async def story() -> None:
        janitza = load_profile("janitza-umg604")
        power_w = (0x447A, 0x0000)  # 1000.0
        registers = [0] * 52
        registers[26:28] = power_w
        reader = MeterReader(link_to(FakeTransport([tuple(registers)])), 1, janitza, invert=True)

        read = await reader.read_fast()

        assert next(sample.value for sample in read.samples if sample.point == "power_w") == -1000.0

    on_virtual_time(story())
