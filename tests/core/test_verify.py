"""Cuts are judged by what fell, not by how unsteady the meter was before."""

from agent.core.power import Net, steady_w
from agent.core.state import CircuitMemory, Cut, Durable, Refresh, State
from agent.core.tree import Tree
from agent.core.values import NS_PER_S
from agent.core.verify import judge
from tests.core.rig import SECOND, START, TICK, UFR, Rig, a_site

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


def test_who_judges_a_cut_and_how_noisy_it_was_is_kept_while_the_refreshes_before_it_are_forgotten() -> None:
    rig = Rig(a_site(), UFR)
    rig.settle()
    for number in range(16):
        rig.extra_w = 10_000.0 + (300.0 if number % 2 else 0.0)
        rig.tick()
    rig.deaf = set(rig.on)  # nothing falls, so the cut stays outstanding
    rig.hz = 49.4
    rig.tick(1)
    noise_w = rig.state.durable.cuts[0].noise_w

    rig.extra_w = 10_000.0
    rig.tick(15)

    assert 300 < noise_w < 1_000
    assert rig.state.durable.cuts[0].noise_w == noise_w
    assert rig.state.durable.cuts[0].judged_at == "poi"


def test_on_its_backup_a_circuit_is_steady_by_what_that_meter_says() -> None:
    refreshes = tuple(Refresh(number, START + number * TICK, 80_000.0, 50.0) for number in range(1, 6))
    state = State(refreshes={"spare": refreshes, "main": ()})

    assert steady_w(state, Net(80_000.0, 80_000.0, START, True, "spare"), "poi") == 80_000.0
    assert steady_w(state, Net(80_000.0, 80_000.0, START, False, "main"), "poi") is None
