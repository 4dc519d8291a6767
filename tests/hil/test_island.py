"""A whole rig without a socket, as fast as its clock is moved: an island that sheds, goes dark, and comes back."""

import asyncio
import struct
from typing import Any

import pytest

from hil.clock import VirtualClock
from hil.contactors import ContactorConfig, ContactorsConfig
from hil.fleet import Endpoint
from hil.island import GensetConfig
from hil.meter import Noise
from hil.rig import MeterConfig, MinerGroup, Rig, RigConfig

_FIRST = "127.9.8.1"
_QUIET = Noise(power=0.0, volts=0.0)


class Yard:
    """A rig of 100 miners of 3 kW behind a set of 400 kW. Nothing listens."""

    def __init__(self, *, seed: int = 1, rated_w: float = 400_000.0, miners: int = 100) -> None:
        self.clock = VirtualClock()
        config = RigConfig(
            miners=(MinerGroup(_FIRST, miners, family="cgminer", rated_w=3000.0),),
            meters=(
                MeterConfig(noise=_QUIET),
                MeterConfig(id="tie", at="tie", noise=_QUIET),
                MeterConfig(id="genset", at="genset", averages=True, noise=_QUIET),
            ),
            switchgears=(
                ContactorsConfig(
                    contactors=(ContactorConfig("k1", coil=1, closed=2, open=3),), inputs={"q52g_open": 1}
                ),
            ),
            genset=GensetConfig(rated_w=rated_w, tied_w=200_000.0, tie_open="switchgear.q52g_open"),
            unmetered_w=10_000.0,
            wander_w=500.0,
            seed=seed,
        )
        self.rig = Rig(config, self.clock)
        self.seen: list[tuple[float, float]] = []

    def do(self, operation: str, **arguments: Any) -> Any:
        """An operation of the rig."""
        return asyncio.run(self.rig.do(operation, **arguments))

    def run(self, seconds: float) -> None:
        """Time passes: the plant turns, and every meter is renewed each 200 ms."""
        for turn in range(round(seconds * 50)):
            self.clock.move(0.02)
            self.rig.island.once()
            if turn % 10 == 9:
                for meter in self.rig.meters.values():
                    meter.refresh()
                self.seen.append((self.shown("main", "hertz"), self.shown("main", "watts")))

    def shown(self, meter: str, quantity: str) -> float:
        """What is in a meter's registers."""
        one = self.rig.meters[meter]
        place = one.layout.value[quantity]
        words = one.read_registers("holding", place[0] if isinstance(place, tuple) else place, 2)
        value: float = struct.unpack(">f", struct.pack(">HH", *words))[0]
        return value

    def tell(self, count: int, *, on: bool) -> list[Endpoint]:
        """The first so many miners are told."""
        told = list(self.rig.fleet.endpoints.values())[:count]
        for endpoint in told:
            endpoint.miner.told(on, self.clock())
            self.rig.fleet.watch(endpoint.miner)
        return told


@pytest.fixture(autouse=True)
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Miners without supply stop listening, and with it listen again; here nobody does at any time."""
    monkeypatch.setattr(Endpoint, "open", lambda _: None)


def test_the_tie_carries_what_the_set_does_not_make() -> None:
    yard = Yard()

    yard.run(5)

    assert yard.shown("genset", "watts") == pytest.approx(200_000, rel=0.001)
    assert yard.shown("tie", "watts") == pytest.approx(110_000, rel=0.02)
    assert yard.shown("main", "hertz") == 50.0


def test_an_island_that_sheds_has_its_frequency_back_as_its_meter_shows() -> None:
    yard = Yard()
    yard.run(2)

    yard.do("island")
    yard.run(10)
    low_hz, low_w = yard.seen[-1]
    yard.tell(30, on=False)
    yard.run(10)
    back_hz, back_w = yard.seen[-1]

    assert low_hz == pytest.approx(
        50 - 2.0 * (low_w - 200_000) / 400_000, abs=0.01
    )  # 4 % of 50 Hz for the whole rating
    assert low_hz < 49.5
    assert back_w == pytest.approx(low_w - 30 * (3000 - 60), abs=3000)
    assert back_hz == pytest.approx(50 - 2.0 * (back_w - 200_000) / 400_000, abs=0.01)
    assert back_hz - low_hz == pytest.approx(0.44, abs=0.02)


def test_the_ties_contact_shows_what_the_tie_is() -> None:
    yard = Yard()
    inputs = yard.rig.field.switchgears["switchgear"].inputs
    seen = [inputs["q52g_open"]]
    for operation in ("island", "tie"):
        yard.do(operation)
        seen.append(inputs["q52g_open"])

    assert seen == [False, True, False]


@pytest.mark.parametrize(("kept_dark", "lives"), [(50, True), (0, False)])
def test_more_than_the_set_can_carry_darkens_the_site_and_a_start_holds_if_less_comes_back(
    kept_dark: int, lives: bool
) -> None:
    yard = Yard(rated_w=250_000.0)
    yard.run(1)

    yard.do("island")
    yard.run(20)
    dark = yard.do("state")
    yard.do("dark", dark=True, miners=list(dark["miners"])[:kept_dark])
    yard.do("genset", deed="start")
    yard.run(30)

    assert (dark["island"]["live"], dark["island"]["tripped"], dark["watts"]) == (False, "frequency", 0.0)
    assert all(miner["watts"] == 0.0 for miner in dark["miners"].values())
    assert yard.do("state")["island"]["live"] == lives
    assert (yard.shown("main", "hertz") > 49.0) == lives


def test_back_at_the_grid_nothing_of_the_island_is_left() -> None:
    yard = Yard(rated_w=250_000.0)
    yard.do("island")
    yard.run(20)

    yard.do("tie")
    yard.run(30)

    assert yard.shown("main", "hertz") == 50.0
    assert yard.shown("main", "watts") == pytest.approx(310_000, rel=0.02)
    assert yard.do("state")["island"]["tied"]


def test_a_raised_set_point_raises_an_islands_frequency() -> None:
    yard = Yard()
    yard.do("island")
    yard.run(10)

    yard.do("set_point", watts=yard.seen[-1][1])
    yard.run(10)

    assert yard.seen[-1][0] == pytest.approx(50.0, abs=0.01)


def test_the_same_seed_is_the_same_course_and_another_is_another() -> None:
    def course(seed: int) -> list[tuple[float, float]]:
        yard = Yard(seed=seed)
        yard.run(1)
        yard.do("island")
        yard.run(3)
        yard.tell(40, on=False)
        yard.run(6)
        yard.tell(40, on=True)
        yard.run(6)
        return yard.seen

    assert course(3) == course(3)
    assert course(3) != course(4)


@pytest.mark.parametrize(
    ("arguments", "said"), [({"deed": "polish"}, "trip or to start"), ({"deed": ""}, "trip or to start")]
)
def test_a_deed_that_no_set_can_do_is_refused(arguments: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Yard().do("genset", **arguments)


@pytest.mark.parametrize("operation", ["island", "tie"])
def test_a_rig_without_a_set_says_so(operation: str) -> None:
    rig = Rig(RigConfig())

    with pytest.raises(ValueError, match=r"RigConfig\.genset"):
        asyncio.run(rig.do(operation))

    assert asyncio.run(rig.do("state"))["island"] == {}


def test_a_meter_at_no_place_is_refused_with_the_places() -> None:
    with pytest.raises(ValueError, match="site, tie, genset"):
        Rig(RigConfig(meters=(MeterConfig(at="roof"),)))
