"""What a rule is asked with and what it answers: the same for every kind that looks at the whole image.

A rule is a pure function

    decide(rule, asked, event) -> Answer

of what was configured, of everything known now (`asked`), and of its own open event, if it has one whose bound still
binds. It remembers nothing itself: `asked.memory` is what it answered last time, None at the start and after a restart,
when timers begin again in full. An alarm is text without figures, so that the same trouble is the same text; it is told
once it has lasted.
"""

from collections.abc import Mapping

from msgspec import Struct

from agent.core.bounds import Bound
from agent.core.image import Image
from agent.core.power import Net
from agent.core.state import State
from agent.core.tree import Tree


class Asked(Struct, frozen=True):
    """Everything a rule may look at."""

    tree: Tree
    state: State
    image: Image
    nets: Mapping[str, Net]
    now_ns: int
    memory: Struct | None  # this rule's own, of the last time


class Answer(Struct, frozen=True):
    """What a rule says of one image."""

    bounds: tuple[Bound, ...] = ()
    memory: Struct | None = None
    alarm: str = ""  # why it can't do its work, or what it has seen that people must know
    sets_leases_aside: bool = False  # commands bind nothing while this is so
