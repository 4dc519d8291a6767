"""Every judge notices the bug that was planted for it, and is content with the same day of the unbroken agent."""

import pytest

from tests.breaks.planted import PLANTED
from tests.breaks.planting import Planted, find
from tests.sim.judges import JUDGES, judge_all
from tests.sim.world import World


def complaints(planted: Planted) -> set[str]:
    """The judges that complain of this day."""
    with World(1, planted.site) as world:

        async def day(world: World) -> None:
            await world.start(settle_s=30)
            await planted.day(world)

        world.run(day)
        return {fault.judge for fault in judge_all(world.look())}


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
def test_a_planted_bug_is_noticed_by_its_judge(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    assert complaints(planted) == set()

    for place, break_it in planted.places:
        holder, name = find(place)
        monkeypatch.setattr(holder, name, break_it(getattr(holder, name)))

    assert planted.judge in complaints(planted)


def test_every_judge_has_a_bug_planted_for_it() -> None:
    assert {judge.__name__.removeprefix("judge_") for judge in JUDGES} == {planted.judge for planted in PLANTED}
