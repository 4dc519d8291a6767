"""gpud, its worker, its driver or the agent itself in trouble: miners are polled and told as ever, no limit rises, and
none dips that did not have to.
"""

from collections.abc import Callable, Iterator

import pytest

from drivers.gpu.messages import LEASE_S
from hil.gpu.compare import Asked
from tests.e2e.agent.site import Figures, now_ns
from tests.e2e.devices.yard import FALLBACK_W, FLOOR_W, FULL_W, GPUS, Yard

pytestmark = pytest.mark.apart(20)

EVERYTHING_KW = 45.0  # more than the miners can give


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    figures = Figures(id="troubles", shed_kw=EVERYTHING_KW, limit_kw=70.0)
    with Yard(tmp_path_factory.mktemp("troubles"), figures, gpud=True) as made:
        made.start()
        made.eventually("all is in the ladder", lambda: made.status().get("armed") == GPUS + len(made.miners))
        made.eventually("GPUs at full", lambda: gpu_states(made) == {"full"})
        made.rig.do("clear")
        yield made


def gpu_states(site: Yard) -> set[object]:
    return {row["state"] for row in site.status().get("devices", ()) if row["kind"] == "gpu"}


def asked(site: Yard) -> dict[str, int]:
    """How often each miner was asked anything."""
    return {name: sum(one["requests"].values()) for name, one in site.rig.do("traffic")["miners"].items()}


def limits_set(site: Yard, since_ns: int = 0) -> list[tuple[int, float]]:
    """Every limit that any GPU was given: which, and how many watts."""
    return [
        (at, watts)
        for at in range(GPUS)
        for set_ns, watts in site.rig.do("gpu", deed="limits", at=at)
        if set_ns >= since_ns
    ]


def leases(site: Yard) -> set[object]:
    """How long gpud still counts on an agent, for each GPU."""
    gpud = Asked(str(site.gpud_socket))
    try:
        return {reading["lease_ns"] for reading in gpud.readings().values()}
    finally:
        gpud.close()


def lose_library(site: Yard) -> None:
    site.rig.do("gpu", deed="remove_library")
    site.kill_gpu_worker()  # the one that runs has it loaded


@pytest.mark.parametrize(
    "trouble",
    [
        lambda site: site.kill_gpud(),
        lambda site: site.kill_gpu_worker(),
        lambda site: site.rig.do("gpu", deed="hang", function="*"),
        lambda site: site.rig.do("gpu", deed="lose", at=1),
        lose_library,
    ],
    ids=["gpud killed", "worker killed", "driver hung", "a GPU lost", "library gone"],
)
def test_miners_are_polled_told_and_raised_as_ever_and_no_limit_rises(
    site: Yard, trouble: Callable[[Yard], object]
) -> None:
    before_w = site.gpu_limits()
    trouble(site)
    before = asked(site)
    site.eventually("each miner is polled twice", lambda: all(now >= before[at] + 2 for at, now in asked(site).items()))

    site.rig.do("frequency", hz=49.3)
    site.eventually("every miner is told", lambda: set(site.told("off")) == set(site.miners))
    site.eventually("and is off", lambda: not site.on())
    assert all(now <= then for now, then in zip(site.gpu_limits(), before_w, strict=True))

    site.rig.do("frequency", hz=50.0)
    site.eventually("every miner is back", lambda: site.on() == set(site.miners))
    assert all(now <= then for now, then in zip(site.gpu_limits(), before_w, strict=True))


def test_an_agent_that_is_killed_and_back_within_the_lease_lets_no_limit_dip(site: Yard) -> None:
    killed_ns = now_ns()
    site.kill()
    site.start(settled=False)
    site.eventually("the GPUs are heard", lambda: gpu_states(site) == {"full"})

    site.eventually("it has run for longer than a lease", lambda: site.status()["up_ms"] > 1200 * LEASE_S)

    assert limits_set(site, killed_ns) == []
    assert site.gpu_limits() == [FULL_W] * GPUS


def test_limits_below_the_fallback_stay_where_they_are_while_the_agent_is_gone(site: Yard) -> None:
    site.rig.do("frequency", hz=49.3)
    site.eventually("at the floor", lambda: site.gpu_limits() == [FLOOR_W] * GPUS)
    site.kill()
    killed_ns = now_ns()

    site.eventually("every lease has lapsed", lambda: leases(site) == {0})

    assert [watts for _, watts in limits_set(site, killed_ns) if watts > FLOOR_W] == []
    assert site.gpu_limits() == [FLOOR_W] * GPUS


def test_limits_above_it_go_down_once_and_rise_only_by_an_agent_that_is_back(site: Yard) -> None:
    site.kill()
    killed_ns = now_ns()

    site.eventually("at the fallback", lambda: site.gpu_limits() == [FALLBACK_W] * GPUS)
    assert sorted(limits_set(site, killed_ns)) == [(at, FALLBACK_W) for at in range(GPUS)]

    site.start(settled=False)
    site.eventually("at full again", lambda: site.gpu_limits() == [FULL_W] * GPUS)
