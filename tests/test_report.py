"""What telemetry and the status say of devices: whatever may give a row is described, and described as what it is."""

import pytest

from agent import report
from agent.core.site import Contactor, Load, Plc, Site, Step, Tank
from agent.core.state import RuleMemory
from agent.core.tree import Tree
from agent.core.values import NS_PER_S
from drivers.points import HEARTBEAT_ECHO
from tests.core.rig import UFR, a_site


def a_tree() -> Tree:
    site = a_site(2)
    steps = (Step("lowest", 200.0, NS_PER_S), Step("full", 700.0, NS_PER_S))
    gpu = Load("r/gpu-0", "poi", steps, 900.0, 0, 0, NS_PER_S, kind="gpu")
    contactor = Contactor("k1", "poi", (site.loads[0].id,), "plc-1", (), False, 0, 10, NS_PER_S)
    return Tree(
        Site(
            "s",
            "a",
            50.0,
            site.circuits,
            site.meters,
            (*site.loads, gpu),
            tanks=(Tank("tank-a", NS_PER_S),),
            contactors=(contactor,),
            plcs=(Plc("tank-a", NS_PER_S, NS_PER_S), Plc("plc-1", NS_PER_S, NS_PER_S)),
        )
    )


def test_meters_plcs_loads_and_contactors_are_described_each_by_its_kind() -> None:
    tree = a_tree()

    kinds = {device.id: device.kind for device in report.devices(tree, {})}

    assert kinds == {
        "main": "meter",
        "tank-a": "plc",
        "plc-1": "plc",
        "a/10.0.0.0": "miner",
        "a/10.0.0.1": "miner",
        "r/gpu-0": "gpu",
        "k1": "contactor",
    }
    assert kinds.keys() >= tree.loads.keys(), "whatever can be told a step can be read, and be a row"


def test_what_a_plc_shows_of_its_own_life_is_no_column() -> None:
    names = [column.n for column in report.columns({"power_w", "coolant_c", HEARTBEAT_ECHO})]

    assert names == ["power_w", "coolant_c", "hash_rate_ths", "temperature_c", "on", "measured"]


@pytest.mark.parametrize(
    ("memory", "why"),
    [
        (None, "its frequency is not heard yet"),
        (RuleMemory(alarm="frequency is silent"), "frequency is silent"),
        (RuleMemory(available=True), "the frequency was not seen at 49.5 Hz or above yet"),
        (RuleMemory(available=True, seen_above=True), ""),
    ],
)
def test_a_frequency_rule_says_whether_it_is_available_and_why_not(memory: RuleMemory | None, why: str) -> None:
    assert report.availability(UFR, memory) == {"available": not why, "why": why, "acts": True}
