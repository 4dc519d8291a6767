"""The plant as a whole: a grid, a feeder, a set on an island, what is left when both are gone; and its meters."""

import math
import struct

import pytest

from hil.clock import VirtualClock
from hil.meter import Meter, Noise, load_layout
from hil.physics.feeder import Feeder
from hil.physics.genset import Genset, load_genset
from hil.plant import Plant
from hil.recording import Sample

_S = 1_000_000_000
_MS = 1_000_000
_QUIET = Noise(power=0.0, volts=0.0)


class Site:
    """A plant with a load that a test sets, and a clock that it moves."""

    def __init__(self, load_w: float = 500_000.0, set_w: float | None = None, feeder: Feeder | None = None) -> None:
        self.load_w = load_w
        self.clock = VirtualClock()
        genset = None if set_w is None else Genset(load_genset("diesel"), 1e6, 50.0, set_w)
        self.plant = Plant(lambda _: self.load_w, hertz=50.0, volts=230.0, feeder=feeder, genset=genset)
        self.plant.advance(self.clock())

    def run(self, seconds: float) -> None:
        """Time passes; somebody looks every 50 ms."""
        for _ in range(round(seconds * 20)):
            self.clock.move(0.05)
            self.plant.advance(self.clock())

    def meter(self, *, refresh_ms: float = 200.0, error: float = 0.0) -> Meter:
        """A meter of the site that is renewed by hand."""
        layout = load_layout("janitza-umg604")
        return Meter(layout, self.plant.electrical, refresh_ms=refresh_ms, noise=_QUIET, error=error, clock=self.clock)


def _shown(meter: Meter, quantity: str) -> float:
    place = meter.layout.value[quantity]
    first = place[0] if isinstance(place, tuple) else place
    words = meter.read_registers("holding", first, 2)
    value: float = struct.unpack(">f", struct.pack(">HH", *words))[0]
    return value


def test_beside_the_grid_a_set_takes_its_share_off_the_tie() -> None:
    site = Site(set_w=300_000.0)

    site.run(2)

    assert site.plant.at("site", site.clock()).watts == 500_000.0
    assert site.plant.at("genset", site.clock()).watts == pytest.approx(300_000.0)
    assert site.plant.at("tie", site.clock()).watts == pytest.approx(200_000.0)


def test_every_watt_of_the_load_comes_from_the_tie_or_from_the_set() -> None:
    site = Site(set_w=300_000.0, feeder=Feeder(0.001, 0.002, 0.98))
    for hertz in (50.0, 49.9, 50.1):
        site.plant.hold(hertz, 230.0)
        for load_w in (100_000.0, 700_000.0):
            site.load_w = load_w
            site.run(0.3)

            seen = {place: site.plant.at(place, site.clock()).watts for place in ("site", "tie", "genset")}

            assert seen["site"] == pytest.approx(seen["tie"] + seen["genset"])


def test_an_island_takes_the_whole_load_on_its_droop_and_the_tie_none() -> None:
    site = Site(set_w=300_000.0)
    site.run(1)

    site.plant.tied = False
    site.run(10)

    island = site.plant.at("site", site.clock())
    assert island.watts == 500_000.0
    assert island.hertz == pytest.approx(49.6, abs=0.002)  # 50 (1 - 0.04 x 0.2)
    assert site.plant.at("genset", site.clock()).watts == 500_000.0
    tie = site.plant.at("tie", site.clock())
    assert (tie.watts, tie.hertz) == (0.0, 50.0)


def test_a_shed_raises_an_islands_frequency() -> None:
    site = Site(load_w=900_000.0, set_w=500_000.0)
    site.plant.tied = False
    site.run(10)
    low_hz = site.plant.electrical(site.clock()).hertz

    site.load_w = 600_000.0
    site.run(10)

    assert low_hz == pytest.approx(49.2, abs=0.002)
    assert site.plant.electrical(site.clock()).hertz == pytest.approx(49.8, abs=0.002)


def test_back_at_the_grid_the_frequency_is_the_grids() -> None:
    site = Site(set_w=300_000.0)
    site.plant.tied = False
    site.run(5)

    site.plant.tied = True
    site.run(5)

    assert site.plant.electrical(site.clock()).hertz == 50.0
    assert site.plant.at("tie", site.clock()).watts == pytest.approx(200_000.0, rel=0.001)


def test_an_overloaded_island_goes_dark_and_nothing_is_drawn_there() -> None:
    site = Site(load_w=1_400_000.0, set_w=500_000.0)

    site.plant.tied = False
    site.run(10)

    assert not site.plant.live
    dead = site.plant.electrical(site.clock())
    assert (dead.watts, dead.hertz, dead.volts) == (0.0, 0.0, (0.0, 0.0, 0.0))


def test_the_sites_voltage_falls_with_its_load() -> None:
    site = Site(load_w=0.0, feeder=Feeder(0.01, 0.02, 0.98))
    seen = []
    for load_w in (0.0, 100_000.0, 200_000.0, 400_000.0):
        site.load_w = load_w
        seen.append(site.plant.electrical(site.clock()).volts[0])

    assert seen[0] == 230.0
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] < 223.0


def test_a_lost_sample_of_the_recording_stays_lost_behind_a_feeder_and_beside_a_set() -> None:
    site = Site(set_w=300_000.0, feeder=Feeder(0.01, 0.02, 0.98))
    lost = Sample(0.0, math.nan, (math.nan,) * 3)

    site.plant.play([lost], site.clock())
    site.run(1)

    seen = site.plant.electrical(site.clock())
    assert math.isnan(seen.hertz)
    assert all(math.isnan(volts) for volts in seen.volts)
    assert site.plant.at("genset", site.clock()).watts == pytest.approx(300_000.0)


def test_it_is_the_same_whoever_looks_and_how_often() -> None:
    def frequencies(look_ms: int) -> list[float]:
        site = Site(load_w=900_000.0, set_w=500_000.0)
        site.plant.tied = False
        seen = []
        for ms in range(look_ms, 2001, look_ms):
            site.clock.move(look_ms / 1000)
            hertz = site.plant.electrical(site.clock()).hertz
            if ms % 100 == 0:
                seen.append(hertz)
        return seen

    assert frequencies(10) == frequencies(50) == frequencies(100)


def test_the_same_seed_wanders_the_same_and_another_otherwise() -> None:
    def wander(seed: int) -> list[float]:
        plant = Plant(lambda _: 0.0, hertz=50.0, volts=230.0, wander_w=1000.0, seed=seed)
        return [plant.electrical(at * _S).watts for at in range(200)]

    assert wander(1) == wander(1)
    assert wander(1) != wander(2)
    assert 300.0 < max(map(abs, wander(1))) < 5000.0


def test_an_instantaneous_meter_shows_the_instant_and_an_averaging_one_its_window() -> None:
    site = Site(load_w=100_000.0)
    sharp, mean = site.meter(), site.meter()
    site.plant.sample("site", mean.sample)
    site.plant.advance(site.clock())
    for meter in (sharp, mean):
        meter.refresh()

    site.run(0.05)
    site.load_w = 200_000.0  # a quarter of the window after the last refresh
    site.run(0.15)
    for meter in (sharp, mean):
        meter.refresh()
    first_sharp_w, first_mean_w = _shown(sharp, "watts"), _shown(mean, "watts")
    site.run(0.2)
    for meter in (sharp, mean):
        meter.refresh()

    assert first_sharp_w == 200_000.0
    assert first_mean_w == pytest.approx(175_000.0)
    assert _shown(sharp, "watts") == 200_000.0
    assert _shown(mean, "watts") == pytest.approx(200_000.0)


def test_what_an_averaging_meter_counts_is_what_was_drawn() -> None:
    site = Site(load_w=0.0)
    meter = site.meter()
    site.plant.sample("site", meter.sample)
    site.plant.advance(site.clock())
    drawn_j = 0.0
    for window in range(500):
        for step in range(4):
            site.load_w = 1000.0 * ((window * 7 + step * 13) % 40)
            site.run(0.05)
            drawn_j += site.load_w * 0.05
        meter.refresh()

    assert _shown(meter, "wh_import") * 3600 == pytest.approx(drawn_j, rel=1e-5)


@pytest.mark.parametrize(("error", "watts", "hertz"), [(1.0, 502_500.0, 50.025), (-1.0, 497_500.0, 49.975)])
def test_a_meter_errs_by_its_share_of_its_class(error: float, watts: float, hertz: float) -> None:
    meter = Site().meter(error=error)

    meter.refresh()

    assert _shown(meter, "watts") == pytest.approx(watts)
    assert _shown(meter, "hertz") == pytest.approx(hertz, abs=1e-4)


def test_a_frozen_averaging_meter_forgets_what_it_did_not_measure() -> None:
    site = Site(load_w=100_000.0)
    meter = site.meter()
    site.plant.sample("site", meter.sample)
    site.plant.advance(site.clock())
    meter.frozen = True
    site.run(1)
    meter.refresh()

    meter.frozen = False
    site.load_w = 300_000.0
    site.run(0.2)
    meter.refresh()

    assert _shown(meter, "watts") == pytest.approx(300_000.0)
    assert len(meter.refreshes) == 1
