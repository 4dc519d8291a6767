"""Whether the site is tied to the grid or runs as an island, by the contact that the site names (`islanded_when`).

Down is not always safe: on an island every watt that is shed at once is a jump of the generator's frequency. So there,
and where the tie is unknown, no shed is larger than the island's `jump_down`, but for cooling and permits. While it is
unknown, because the contact is silent or was never read, nothing is raised and no frequency sheds (design.md 4.2).
A site that names no contact is tied: `check` says so.
"""

from agent.core.image import Image
from agent.core.site import Circuit
from agent.core.state import Tie
from agent.core.tree import FRESH_NS_MIN, POLLS_FRESH, Tree
from agent.core.values import fresh_value


def tie_of(tree: Tree, image: Image, now_ns: int) -> Tie:
    """What the contact says now."""
    contact = tree.site.islanded_when
    if contact is None:
        return Tie.TIED
    value = fresh_value(image.points.get(contact.point), now_ns, max(FRESH_NS_MIN, POLLS_FRESH * contact.poll_ns))
    if value is None:
        return Tie.UNKNOWN
    return Tie.ISLAND if value >= 0.5 else Tie.TIED


def jump_down_w(circuit: Circuit, tie: Tie) -> float:
    """The largest single reduction of a circuit."""
    return circuit.jump_down_w if tie is Tie.TIED else min(circuit.jump_down_w, circuit.jump_down_island_w)


def may_begin(when: str, tie: Tie) -> bool:
    """Whether a rule that is meant for `when` (tied, island, any) may begin an event."""
    return tie is not Tie.UNKNOWN and when in ("any", tie.value)
