"""What holds for any site, any load and any moment."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.bounds import Bound, fold
from agent.core.cut import cut, without
from agent.core.image import Image
from agent.core.ladder import Armed, Ladder
from agent.core.react import react
from agent.core.rules import Rules
from agent.core.setpoint import Setpoint
from agent.core.site import BoundClass
from agent.core.state import State
from agent.core.tree import Tree
from agent.core.values import NS_PER_MS, NS_PER_S
from tests.core.rig import UFR, Rig, a_site

WATTS = st.floats(0, 10_000)


@st.composite
def ladders(draw: st.DrawFn) -> Ladder:
    worth = draw(st.lists(WATTS, max_size=40))
    points = tuple(Setpoint(f"l{number}", "off", 0.0) for number in range(len(worth)))
    sums = tuple(sum(worth[: number + 1]) for number in range(len(worth)))
    return Ladder(
        points, tuple(p.load for p in points), tuple(p.step for p in points), tuple(worth), sums, (0,) * len(worth)
    )


@given(ladders(), st.floats(0, 500_000))
def test_a_cut_is_enough_or_everything_and_never_a_rung_too_many(ladder: Ladder, needed_w: float) -> None:
    taken = cut(ladder, needed_w)

    assert taken.watts >= needed_w or len(taken.loads) == len(ladder.loads)
    if 0 < len(taken.loads) < len(ladder.loads):
        assert taken.watts - ladder.worth_w[len(taken.loads) - 1] < needed_w


@given(ladders(), st.floats(0, 500_000), st.floats(0, 500_000))
def test_needing_more_never_sheds_less(ladder: Ladder, one_w: float, other_w: float) -> None:
    less, more = sorted((one_w, other_w))

    assert len(cut(ladder, less).loads) <= len(cut(ladder, more).loads)


@given(ladders(), st.floats(1, 500_000), st.floats(0, 100_000))
def test_a_cut_never_exceeds_the_jump_limit(ladder: Ladder, needed_w: float, jump_w: float) -> None:
    assert cut(ladder, needed_w, jump_w).watts <= jump_w


@given(ladders(), st.data())
def test_a_ladder_without_some_loads_has_the_others_and_their_watts(ladder: Ladder, data: st.DataObject) -> None:
    gone = data.draw(st.sets(st.sampled_from(ladder.loads))) if ladder.loads else set()

    rest = without(ladder, gone)

    assert set(rest.loads) == set(ladder.loads) - gone
    assert abs(rest.total_w - sum(w for n, w in zip(ladder.loads, ladder.worth_w, strict=True) if n not in gone)) < 1e-6


EDGES = st.floats(-1_000, 1_000)
BOUNDS = st.lists(
    st.builds(
        lambda key, cls, one, other: Bound("c", key, key, cls, max(one, other), min(one, other)),
        st.text("abc", min_size=1, max_size=3),
        st.sampled_from(BoundClass),
        EDGES,
        EDGES,
    ),
    max_size=8,
)


@given(BOUNDS)
def test_a_fold_is_an_interval_and_no_lower_class_moves_what_a_higher_one_set(bounds: list[Bound]) -> None:
    whole = fold(bounds)

    assert whole.lo_w <= whole.hi_w
    for cls in BoundClass:
        above = fold([bound for bound in bounds if bound.cls <= cls])
        assert above.lo_w <= whole.lo_w
        assert whole.hi_w <= above.hi_w


def cut_at(extra_w: float, age_ms: int, limit_w: float) -> int:
    """How many loads a first reading of a site above its limit sheds, when it is so old."""
    rig = Rig(a_site(limit_w=limit_w))
    rig.extra_w = extra_w
    rig.read()
    rig.arm()
    rig.now_ns += 1
    now_ns = rig.now_ns + age_ms * NS_PER_MS
    return len(react(rig.tree, rig.rules, rig.state, rig.image(), rig.armed, now_ns).setpoints)


@settings(max_examples=60)
@given(st.floats(0, 60_000), st.floats(0, 60_000), st.integers(0, 4_000), st.floats(60_000, 200_000))
def test_more_load_never_sheds_less(one_w: float, other_w: float, age_ms: int, limit_w: float) -> None:
    less, more = sorted((one_w, other_w))

    assert cut_at(less, age_ms, limit_w) <= cut_at(more, age_ms, limit_w)


@settings(max_examples=60)
@given(st.floats(0, 60_000), st.integers(0, 20_000), st.integers(0, 20_000), st.floats(60_000, 200_000))
def test_an_older_reading_never_sheds_less(extra_w: float, one_ms: int, other_ms: int, limit_w: float) -> None:
    newer, older = sorted((one_ms, other_ms))

    assert cut_at(extra_w, newer, limit_w) <= cut_at(extra_w, older, limit_w)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([50.0, 49.95, 49.6, 49.4, 48.9, None]),
            st.sampled_from([10_000.0, 25_000.0, 60_000.0]),
            st.booleans(),
            st.sets(st.integers(0, 7), max_size=3),
            st.integers(1, 12),
        ),
        max_size=12,
    ),
    st.sampled_from([0.0, 3.0]),
)
def test_whatever_happens_promises_hold(
    story: list[tuple[float | None, float, bool, set[int], int]], off_s: float
) -> None:
    """Minimum times, the jump limit, raises of what we lowered only; a second look commands nothing new; JSON."""
    site = a_site(8, off_s=off_s, jump_up_w=6_100.0, ramp_up_w_per_s=20_000.0, blind_after_ns=NS_PER_S)
    rig = Rig(site, UFR)
    rig.on["a/10.0.0.7"] = False
    rig.settle()
    down_at: dict[str, int] = {}
    for hz, extra_w, dead, dark, ticks in story:
        rig.hz, rig.extra_w, rig.meter_dead = hz, extra_w, dead
        rig.dark = {f"a/10.0.0.{number}" for number in dark}
        for _ in range(ticks):
            told = rig.tick()
            up_w = sum(setpoint.watts for setpoint in told if not setpoint.lowers)
            assert up_w <= 6_100.0
            for setpoint in told:
                if setpoint.lowers:
                    down_at[setpoint.load] = rig.now_ns
                else:
                    assert setpoint.load in down_at
                    assert rig.now_ns - down_at[setpoint.load] >= off_s * NS_PER_S
    assert msgspec.json.decode(msgspec.json.encode(rig.state), type=State) == rig.state


def test_a_site_that_was_never_heard_is_told_nothing() -> None:
    tree = Tree(a_site(limit_w=50_000.0))

    reaction = react(tree, Rules(tree, (UFR,)), State(), Image(), Armed(), NS_PER_S)

    assert reaction.setpoints == ()
