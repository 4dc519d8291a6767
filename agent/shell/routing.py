"""Routing: each setpoint to what actuates its load. Miners by volley, GPUs by their gpud, contactors by their PLC.

A site of miners alone is not routed at all: its setpoints go to the volley as they are.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from agent.core.setpoint import Setpoint


class Unsent(Protocol):
    """A setpoint that was not sent."""

    @property
    def setpoint(self) -> Setpoint: ...


class Actuator(Protocol):
    """What puts setpoints on a wire."""

    def fire(self, setpoints: Sequence[Setpoint]) -> Sequence[Unsent]:
        """Send these now; those that must not be sent come back."""
        ...


class Router:
    """Splits setpoints by who actuates their load; miners first, since there are the most of them."""

    def __init__(self, volley: Actuator, others: Mapping[str, Actuator]) -> None:
        """`others`: load -> its actuator, for all that are no miners."""
        self._volley = volley
        self._others = others

    def fire(self, setpoints: Sequence[Setpoint]) -> list[Unsent]:
        """Send these now; those that must not be sent come back."""
        if not self._others:
            return list(self._volley.fire(setpoints))
        apart: dict[int, tuple[Actuator, list[Setpoint]]] = {}
        miners: list[Setpoint] = []
        for setpoint in setpoints:
            actuator = self._others.get(setpoint.load)
            if actuator is None:
                miners.append(setpoint)
            else:
                apart.setdefault(id(actuator), (actuator, []))[1].append(setpoint)
        held: list[Unsent] = []
        # Few frames on connections that stand: out before the volley opens its sockets.
        for actuator, some in apart.values():
            held += actuator.fire(some)
        if miners:
            held += self._volley.fire(miners)
        return held
