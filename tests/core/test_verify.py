"""Cuts are judged by what fell, not by how unsteady the meter was before."""

from agent.core.power import Net
from agent.core.state import CircuitMemory, Cut, Durable, Refresh, State
from agent.core.tree import Tree
from agent.core.values import NS_PER_S
from agent.core.verify import judge
from tests.core.rig import SECOND, START, TICK, a_site

CUT = Cut("E", "poi", ("a/10.0.0.1",), ("off",), 16_000.0, {"poi": 16_000.0}, START, START + 15 * SECOND, settled=True)


def at(seconds: float, net_w: float) -> bool | None:
    """Whether the cut counts as delivered then; None: not judged yet. A step of 30 kW came just before the cut."""
    before = [Refresh(number, START - (10 - number) * TICK, 70_000.0, 50.0) for number in range(9)]
    now_ns = START + int(seconds * NS_PER_S)
    refreshes = (*before, Refresh(9, START - 1, 100_000.0, 50.0), Refresh(10, now_ns, net_w, 50.0))
    state = State(
        durable=Durable(cuts=(CUT,)),
        circuits={"poi": CircuitMemory(base_w=100_000.0)},
        refreshes={"main": refreshes},
    )
    verdicts = judge(Tree(a_site()), state, {"poi": Net(net_w, net_w, now_ns, False, "main")}, now_ns)
    return verdicts[0].delivered if verdicts else None


def test_a_step_just_before_a_cut_is_not_noise_that_proves_it() -> None:
    assert at(0.2, 100_000.0) is None
    assert at(5.0, 95_000.0) is None


def test_it_is_delivered_when_its_watts_fell_and_not_delivered_when_it_was_due_and_they_did_not() -> None:
    assert at(5.0, 84_000.0) is True
    assert at(15.1, 99_000.0) is False
