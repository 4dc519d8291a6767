"""GPUs beside miners: `ballast gpud` over the fake library, their watts at the meter, cut and given back."""

from collections.abc import Iterator

import pytest

from tests.e2e.agent.site import Figures
from tests.e2e.devices.yard import FLOOR_W, FULL_W, GPUS, LOWEST_W, Yard

pytestmark = pytest.mark.apart(10)

EVERYTHING_KW = 45.0  # more than the miners can give


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    figures = Figures(id="gpus", shed_kw=EVERYTHING_KW, limit_kw=70.0)
    with Yard(tmp_path_factory.mktemp("gpus"), figures, gpud=True) as made:
        made.start()
        made.eventually("the GPUs are heard", lambda: len(gpus(made)) == GPUS)
        made.eventually("and at full", lambda: {row["state"] for row in gpus(made)} == {"full"})
        made.eventually("and in the ladder", lambda: made.status().get("armed") == GPUS + len(made.miners))
        made.rig.do("clear")
        yield made


def gpus(site: Yard) -> list[dict[str, object]]:
    return [row for row in site.status().get("devices", ()) if row["kind"] == "gpu"]


def test_their_watts_count_at_the_meter(site: Yard) -> None:
    def drawn_w() -> float:
        return sum(float(gpu["watts"]) for gpu in site.rig.do("gpu", deed="gpus"))

    site.eventually("they are at work", lambda: drawn_w() > GPUS * 600)
    site.eventually("the meter shows it", lambda: site.watts() == pytest.approx(12 * 3300 + 6000 + drawn_w(), rel=0.01))


def test_the_grid_takes_them_to_their_floor_and_no_further_and_they_come_back(site: Yard) -> None:
    site.rig.do("frequency", hz=49.3)
    site.eventually("at the floor", lambda: site.gpu_limits() == [FLOOR_W] * GPUS)
    site.eventually("and all miners are off", lambda: not site.on())
    assert site.gpu_limits() == [FLOOR_W] * GPUS

    site.rig.do("frequency", hz=50.0)
    site.eventually("all is back", lambda: site.whole() and site.gpu_limits() == [FULL_W] * GPUS)


def test_their_tank_takes_them_below_their_floor(site: Yard) -> None:
    site.rig.do("condenser_flow", plc="tank-a", lpm=0)

    site.eventually("at the lowest", lambda: site.gpu_limits() == [LOWEST_W] * GPUS)
    site.eventually("with the miners of the tank", lambda: set(site.told("off")) == set(site.east))

    site.rig.do("condenser_flow", plc="tank-a", lpm=None)
    site.eventually("all is back", lambda: site.whole() and site.gpu_limits() == [FULL_W] * GPUS)
