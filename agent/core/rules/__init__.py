"""Rules: pure functions of image and state that answer a bound, or nothing. One file per kind; this is the table of
them.

Under-frequency, the circuits' limits, commands and cooling are asked by react.py one by one, since what they answer has
a place of its own there. Every other kind is a row of ASKED.
"""

from collections.abc import Callable
from typing import Any

from agent.core.rules.amperes import Amperes, decide_amperes
from agent.core.rules.asked import Answer, Asked
from agent.core.rules.command import Command
from agent.core.rules.comms_loss import CommsLoss, decide_comms_loss
from agent.core.rules.cooling import Cooling
from agent.core.rules.demand_window import DemandWindow, decide_demand_window
from agent.core.rules.power_cap import PowerCap, limit_bounds
from agent.core.rules.schedule import Schedule, decide_schedule
from agent.core.rules.under_frequency import UnderFrequency
from agent.core.state import Event
from agent.core.tree import Tree

Rule = UnderFrequency | PowerCap | Command | Cooling | CommsLoss | Amperes | DemandWindow | Schedule
Decide = Callable[[Any, Asked, Event | None], Answer]  # the rule is of the row's own kind

ASKED: dict[type[Rule], Decide] = {
    Amperes: decide_amperes,
    CommsLoss: decide_comms_loss,
    DemandWindow: decide_demand_window,
    Schedule: decide_schedule,
}


class Rules:
    """The rules of a site, sorted by what is asked of them; immutable by convention."""

    def __init__(self, tree: Tree, rules: tuple[Rule, ...]) -> None:
        self.under_frequency = tuple(rule for rule in rules if isinstance(rule, UnderFrequency))
        self.limits = limit_bounds(tree, tuple(rule for rule in rules if isinstance(rule, PowerCap)))
        self.cooling = tuple(rule for rule in rules if isinstance(rule, Cooling))
        self.commands = {rule.circuit: rule for rule in rules if isinstance(rule, Command)}
        self.asked = tuple((rule, ASKED[type(rule)]) for rule in rules if type(rule) in ASKED)
