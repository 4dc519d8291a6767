"""What a circuit keeps beside its kilowatts: amperes of the worst phase, the average over a window, and no export."""

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from agent.core.notes import EventNote
from agent.core.rules.amperes import Amperes
from agent.core.rules.demand_window import DemandWindow
from agent.core.rules.power_cap import limit_key
from agent.core.values import NS_PER_S, Reading
from tests.core.rig import SECOND, UFR, Rig, a_site

WATTS_PER_A = 690.0  # three phases of 230 V
SHARES = (1.0, 0.9, 0.8)  # of the worst phase


def amperes(limit_a: float, *, acts: bool = True) -> Amperes:
    return Amperes(limit_key("poi", "a"), "poi", limit_a, acts)


def demand(kw: float, window_s: int = 60, interval: str = "clock", pulse: str = "") -> DemandWindow:
    window_ns = window_s * SECOND
    return DemandWindow(limit_key("poi", "demand"), "demand_window", "poi", kw * 1000, window_ns, interval, pulse)


class Wired(Rig):
    """Its meter reads currents too, in the slow round: once a second."""

    silent = False

    def read(self) -> None:
        super().read()
        if not self.silent and (self.now_ns // (NS_PER_S // 10)) % 10 == 0:
            for phase, share in enumerate(SHARES, 1):
                amps = self.watts / WATTS_PER_A * share
                self.points[f"main.current_l{phase}_a"] = Reading(amps, self.now_ns)


def run(rig: Rig, seconds: float) -> Iterator[float]:
    """Ten beats a second; the watts after each."""
    for _ in range(round(seconds * 10)):
        rig.tick()
        yield rig.watts


def test_a_circuit_above_its_amperes_is_lowered_to_them_and_not_further() -> None:
    rig = Wired(a_site(), amperes(150.0))
    rig.settle()
    assert rig.watts / WATTS_PER_A > 180

    list(run(rig, 30))

    assert 143 < rig.watts / WATTS_PER_A <= 150
    (begin,) = [note for note in rig.notes if isinstance(note, EventNote) and note.kind == "begin"]
    assert (begin.rule, begin.cls) == ("limit_a", "protect")


def test_a_current_that_was_not_read_again_asks_for_nothing_twice() -> None:
    rig = Wired(a_site(), amperes(150.0))
    rig.settle()
    list(run(rig, 5))
    rig.silent = True
    first_w = rig.watts

    list(run(rig, 5))

    assert rig.watts == first_w


def test_loads_come_back_when_there_are_amperes_for_them() -> None:
    rig = Wired(a_site(), amperes(150.0))
    rig.settle()
    rig.extra_w = 20_000.0
    list(run(rig, 30))
    low = sum(rig.on.values())

    rig.extra_w = 0.0
    list(run(rig, 60))

    assert sum(rig.on.values()) > low
    assert rig.watts / WATTS_PER_A <= 150


def test_without_currents_nothing_is_shed_and_people_are_told() -> None:
    rig = Rig(a_site(), amperes(100.0))
    rig.settle()
    before_w = rig.watts

    list(run(rig, 15))

    assert rig.watts == before_w
    alarms = [note.why for note in rig.notes if isinstance(note, EventNote) and note.kind == "alarm"]
    assert alarms == ["limit@poi/a: no current is read: its limit_a is not kept"]


def averages(rig: Rig, seconds: int, window_s: int) -> list[float]:
    """Each window's average in kW, windows beginning at whole multiples."""
    sums: dict[int, list[float]] = {}
    for watts in run(rig, seconds):
        assert rig.wall_ms is not None
        sums.setdefault(rig.wall_ms // (1000 * window_s), []).append(watts)
    whole = [watts for watts in sums.values() if len(watts) == 10 * window_s]
    return [sum(watts) / len(watts) / 1000 for watts in whole]


def test_the_average_of_every_window_stays_at_its_demand() -> None:
    rig = Rig(a_site(), demand(100.0))
    rig.settle()

    found = averages(rig, 300, 60)

    assert len(found) >= 4
    assert all(95 < kw <= 100.5 for kw in found), found


def test_what_was_spared_earlier_in_a_window_may_be_drawn_later_in_it() -> None:
    rig = Rig(a_site(), demand(130.0, 120))
    rig.settle()
    rig.extra_w = 0.0
    list(run(rig, 120))
    while rig.wall_ms is not None and rig.wall_ms % 120_000 > 200:
        rig.tick()
    list(run(rig, 60))
    rig.extra_w = 18_000.0

    peak_w = max(run(rig, 35))

    assert peak_w > 135_000
    assert all(rig.on.values())


@pytest.mark.parametrize("interval", ["sliding", "clock"])
def test_without_a_trusted_clock_every_window_counts_and_nothing_is_credited(interval: str) -> None:
    rig = Rig(a_site(), demand(100.0, interval=interval))
    rig.clock = False
    rig.settle()
    list(run(rig, 20))

    assert max(run(rig, 120)) <= 100_500


def test_a_window_begins_with_the_utilitys_contact() -> None:
    rig = Rig(a_site(), demand(130.0, 120, "pulse", "gear.di1"))
    rig.tank = {"gear.di1": 0.0}
    rig.settle()
    rig.extra_w = 0.0
    list(run(rig, 10))
    rig.tank["gear.di1"] = 1.0
    list(run(rig, 2))
    rig.tank["gear.di1"] = 0.0
    list(run(rig, 60))
    rig.extra_w = 18_000.0

    assert max(run(rig, 40)) > 135_000, "credit of this window"
    rig.tank["gear.di1"] = 1.0
    list(run(rig, 20))
    assert rig.watts <= 130_500, "none of the next"


def test_watts_that_are_not_known_count_as_the_limit() -> None:
    rig = Rig(a_site(limit_w=140_000.0, fallback_w=120_000.0, blind_after_ns=60 * SECOND), demand(129.0, 120))
    rig.settle()
    rig.extra_w = 0.0
    while rig.wall_ms is not None and rig.wall_ms % 120_000 > 200:
        rig.tick()
    rig.meter_dead = True
    list(run(rig, 40))
    rig.meter_dead = False

    list(run(rig, 30))

    assert rig.watts < 125_000, "40 s at 140 kW and not at 120"


def test_no_shed_takes_a_circuit_into_an_export_it_may_not_have() -> None:
    site = a_site(export_limit_w=5_000.0)
    rig = Rig(site, replace(UFR, shed_w=110_000.0))
    rig.settle()
    rig.extra_w = -80_000.0  # generation behind the same meter
    list(run(rig, 3))

    rig.hz = 49.3
    lowest_w = min(run(rig, 20))

    assert -5_000 <= lowest_w < 0
    assert "unmet" in rig.kinds()
