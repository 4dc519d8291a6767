"""In which table, order and base numbers were meant."""

import random
import struct

import pytest

from hil.probe.fit import Fit, Reading, adds_up, best, judge, plausible_value, steadiest
from hil.probe.sheet import Item

_ITEMS = tuple(
    Item(name, at, "float32")
    for name, at in (("voltage_l1_v", 10), ("voltage_l2_v", 12), ("voltage_l3_v", 14), ("frequency_hz", 20))
)
_USUAL = Reading("holding", 0, "big")
_WAYS = [Reading("holding", shift, order) for shift in (0, -1, 1) for order in ("big", "little")]


def _device(dice: random.Random, order: str, first: int) -> dict[int, int]:
    """Registers from 0 on of a device that shows floats from `first` on; the frequency is ten behind the first."""
    values = [dice.gauss(230.0, 0.05) for _ in range(5)] + [dice.gauss(50.0, 0.002)] * 2
    words: dict[int, int] = dict.fromkeys(range(40), 0)
    for number, value in enumerate(values):
        pair = struct.unpack(">HH", struct.pack(">f", value))
        words[first + 2 * number], words[first + 2 * number + 1] = pair if order == "big" else pair[::-1]
    return words


def _found(order: str, first: int, usual: Reading = _USUAL) -> Reading:
    dice = random.Random(5)
    rounds = [[judge(_ITEMS, _device(dice, order, first), way, 230.0) for way in _WAYS] for _ in range(9)]
    tied = best(rounds[0])
    assert tied
    at = [rounds[0].index(fit) for fit in tied]
    seen: list[list[Fit]] = [[fits[place] for fits in rounds] for place in at]
    return steadiest(tied, seen, usual).reading


@pytest.mark.parametrize("order", ["big", "little"])
@pytest.mark.parametrize("shift", [0, -1, 1])
def test_the_way_in_which_a_device_is_meant_is_found_whatever_the_file_says(order: str, shift: int) -> None:
    for usual in _WAYS[:2]:
        assert _found(order, 10 + shift, usual) == Reading("holding", shift, order)


def test_an_integer_low_word_first_is_65536_times_too_much_the_other_way() -> None:
    items = (Item("voltage_l1_v", 0, "int32", scale=0.1), Item("frequency_hz", 51, "int16", scale=0.1))
    registers = {0: 2310, 1: 0, 51: 500}

    little, big = (judge(items, registers, Reading("input", 0, order), None) for order in ("little", "big"))

    assert little.fits
    assert big.wrong == ("voltage_l1_v = 1.514e+07",)


def test_a_phase_that_is_not_wired_speaks_neither_for_nor_against() -> None:
    items = (Item("voltage_l1_v", 0, "float32"), Item("voltage_l2_v", 2, "float32"), Item("frequency_hz", 4, "float32"))
    registers = {0: 0x4366, 1: 0, 2: 0, 3: 0, 4: 0x4248, 5: 0}

    fit = judge(items, registers, Reading("input", 0, "big"), 230.0)

    assert (fit.fits, fit.wrong) == (True, ())


@pytest.mark.parametrize(
    ("name", "value", "nominal_ln_v", "plausible"),
    [
        ("frequency_hz", 44.9, None, False),
        ("frequency_hz", 60.01, None, True),
        ("frequency_hz", float("nan"), None, False),
        ("voltage_l1_v", 231.0, 230.0, True),
        ("voltage_l1_v", 231.0, 27_600.0, False),
        ("voltage_l12_v", 400.0, 230.0, True),
        ("voltage_l12_v", 231.0, 230.0, True),
        ("voltage_l12_v", 530.0, 230.0, False),
        ("voltage_l1_v", 6.6e18, None, False),
    ],
)
def test_what_a_grid_can_be(name: str, value: float, nominal_ln_v: float | None, plausible: bool) -> None:
    assert plausible_value(name, value, nominal_ln_v) is plausible


def test_a_phase_that_faces_the_other_way_does_not_add_up() -> None:
    phases = {"power_l1_w": 10_000.0, "power_l2_w": 10_000.0, "power_l3_w": -10_000.0}

    assert adds_up({**phases, "power_w": 30_000.0}) == (False, "power_w 30,000 W, the phases' sum 10,000 W")
    assert adds_up({**phases, "power_w": 10_050.0}) == (True, "power_w 10,050 W, the phases' sum 10,000 W")
    assert adds_up({"power_w": 1.0}) is None
