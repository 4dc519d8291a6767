"""GPUs beside miners: `ballast gpud` over the fake library, its watts at the meter, its troubles nobody else's."""

from collections.abc import Callable, Iterator

import pytest

from tests.e2e.agent.site import Figures
from tests.e2e.devices.yard import FLOOR_W, FULL_W, GPUS, LOWEST_W, Yard

EVERYTHING_KW = 45.0  # more than the miners can give


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    figures = Figures(id="gpus", shed_kw=EVERYTHING_KW, limit_kw=70.0)
    with Yard(tmp_path_factory.mktemp("gpus"), figures, gpud=True) as made:
        made.start()
        made.eventually("the GPUs are heard", lambda: len(gpus(made)) == GPUS)
        made.eventually("and at full", lambda: {row["state"] for row in gpus(made)} == {"full"})
        made.eventually("and in the ladder", lambda: made.status()["armed"] == GPUS + len(made.miners))
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
    site.eventually("all is back", lambda: site.whole() and site.gpu_limits() == [FULL_W] * GPUS, within_s=40)


def test_their_tank_takes_them_below_their_floor(site: Yard) -> None:
    site.rig.do("condenser_flow", plc="tank-a", lpm=0)

    site.eventually("at the lowest", lambda: site.gpu_limits() == [LOWEST_W] * GPUS)
    site.eventually("with the miners of the tank", lambda: set(site.told("off")) == set(site.east))

    site.rig.do("condenser_flow", plc="tank-a", lpm=None)
    site.eventually("all is back", lambda: site.whole() and site.gpu_limits() == [FULL_W] * GPUS, within_s=40)


@pytest.mark.parametrize(
    "trouble",
    [
        lambda site: site.kill_gpud(),
        lambda site: site.rig.do("gpu", deed="hang", function="*"),
        lambda site: site.rig.do("gpu", deed="lose", at=1),
        lambda site: site.rig.do("gpu", deed="remove_library"),
    ],
    ids=["killed", "hung", "a GPU lost", "library gone"],
)
def test_with_gpud_in_trouble_miners_are_told_as_ever_and_no_limit_rises(
    site: Yard, trouble: Callable[[Yard], object]
) -> None:
    before = site.gpu_limits()
    trouble(site)

    site.rig.do("frequency", hz=49.3)

    site.eventually("every miner is told", lambda: set(site.told("off")) == set(site.miners))
    site.eventually("and is off", lambda: not site.on())
    assert all(now <= then for now, then in zip(site.gpu_limits(), before, strict=True))


def test_an_agent_that_is_killed_and_back_within_the_lease_lets_no_limit_dip(site: Yard) -> None:
    site.kill()
    site.start(settled=False)
    site.eventually("the GPUs are heard", lambda: {row["state"] for row in gpus(site)} == {"full"})

    assert [watts for _, watts in site.rig.do("gpu", deed="limits", at=0) if watts < FULL_W] == []
    assert site.gpu_limits() == [FULL_W] * GPUS


def test_without_an_agent_limits_go_to_fallback_when_the_lease_is_over_and_back_with_it(site: Yard) -> None:
    site.kill()

    site.eventually("the lease is over", lambda: site.gpu_limits() == [500.0] * GPUS, within_s=30)

    site.start(settled=False)
    site.eventually("at full again", lambda: site.gpu_limits() == [FULL_W] * GPUS, within_s=60)
