"""Rules: pure functions of image and state that answer a bound, or nothing. One file per kind; this is the table of
them.
"""

from agent.core.rules.command import Command
from agent.core.rules.cooling import Cooling
from agent.core.rules.power_cap import PowerCap, limit_bounds
from agent.core.rules.under_frequency import UnderFrequency
from agent.core.tree import Tree

Rule = UnderFrequency | PowerCap | Command | Cooling
KINDS: dict[str, type[Rule]] = {
    "under_frequency": UnderFrequency,
    "power_cap": PowerCap,
    "command": Command,
    "cooling": Cooling,
}


class Rules:
    """The rules of a site, sorted by what is asked of them; immutable by convention."""

    def __init__(self, tree: Tree, rules: tuple[Rule, ...]) -> None:
        self.under_frequency = tuple(rule for rule in rules if isinstance(rule, UnderFrequency))
        self.limits = limit_bounds(tree, tuple(rule for rule in rules if isinstance(rule, PowerCap)))
        self.cooling = tuple(rule for rule in rules if isinstance(rule, Cooling))
        self.commands = {rule.circuit: rule for rule in rules if isinstance(rule, Command)}
