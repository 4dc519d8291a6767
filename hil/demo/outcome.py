"""The other devices in figures: the tank that lost its flow, the tag, the contactor of the miners that lied."""

from typing import Any

from msgspec import Struct

from hil.demo import figures
from hil.demo.record import Course
from hil.demo.site import miners
from hil.demo.stamps import Measured, S, Verbs, Verdict, since, told, written


class Plant(Struct, frozen=True):
    """Stamps of what is no meter and no miner."""

    rounds: list[tuple[int, int | None, dict[str, float]]] = []  # of the tank's PLC: changed, served, values
    coils: list[tuple[int, int, bool]] = []  # when which coil was written what
    moves: list[tuple[int, str, bool]] = []  # when a contactor's poles were where
    limits: list[list[tuple[int, float]]] = []  # of each GPU: when set to how many W


def load_plant(rig: Any) -> Plant:
    """From a rig's operations."""
    gear = rig.do("stamps")["plcs"][figures.SWITCHGEAR]
    return Plant(
        [(changed, served, values) for changed, served, values in rig.do("rounds", plc=figures.TANK)],
        [(at_ns, coil, value) for at_ns, coil, value in gear["coils"]],
        [(at_ns, name, closed) for at_ns, name, closed in gear["moves"]],
        [[(at_ns, watts) for at_ns, watts in rig.do("gpu", deed="limits", at=gpu)] for gpu in range(figures.GPUS)],
    )


class Outcome:
    """Everything measured of this part; a course that never got there leaves the stamps None."""

    def __init__(self, course: Course, plant: Plant, verbs: Verbs) -> None:
        self._course = course
        end_ns = course.ended_ns or course.started_ns
        lost_ns = course.flow_lost_ns or end_ns
        back_ns = course.flow_back_ns or end_ns
        lied_ns = course.lied_ns or end_ns
        first = min(verbs, key=_number, default="127.0.0.1")
        cooled = set(miners(first, 0, figures.TANK_MINERS))
        fed = set(miners(first, figures.TANK_MINERS, figures.FED_MINERS))

        low = [
            (changed, served)
            for changed, served, values in plant.rounds
            if changed >= lost_ns and values["condenser_flow_lpm"] < figures.FLOW_LPM_MIN
        ]
        self.low_ns = low[0][0] if low else None
        self._seen_ns = min((served for _, served in low if served is not None), default=None)
        off = told(verbs, "off", lost_ns, back_ns)
        self._others = off.keys() - cooled
        self._told = len(off.keys() & cooled)
        self.last_off_ns = max((off[miner] for miner in off.keys() & cooled), default=None)
        lowest = [
            min((at_ns for at_ns, watts in limits if at_ns >= lost_ns and watts == figures.GPU_LOWEST_W), default=None)
            for limits in plant.limits
        ]
        self._gpus = sum(at_ns is not None for at_ns in lowest)
        self.lowest_ns = max((at_ns for at_ns in lowest if at_ns is not None), default=None)
        on = told(verbs, "on", back_ns, course.untagged_ns or end_ns)
        self._raised = on.keys() & cooled - {course.tagged}
        self._tag_held = bool(course.tagged) and course.tagged not in told(
            verbs, "on", course.equipment_ns or end_ns, course.untagged_ns or end_ns
        )
        self._first_on_ns = min((on[miner] for miner in self._raised), default=None)

        asked = told(verbs, "off", lied_ns, end_ns)
        self._asked_ns = max((asked[miner] for miner in asked.keys() & fed), default=None)
        coils = [(at_ns, value) for at_ns, coil, value in plant.coils if coil == 1 and at_ns >= lied_ns]
        self.opened_ns = next((at_ns for at_ns, value in coils if not value), None)
        self.closed_ns = next((at_ns for at_ns, value in coils if value), None)
        moves = [(at_ns, closed) for at_ns, _, closed in plant.moves if at_ns >= lied_ns]
        self._dark_ns = next((at_ns for at_ns, closed in moves if not closed), None)

    def verdicts(self) -> list[Verdict]:
        """The steps of this part."""
        course = self._course
        open_ns = since(self.closed_ns, self.opened_ns)
        after_s = since(self.last_off_ns, self._seen_ns)
        return [
            Verdict(
                "a tank that loses its condenser's flow: all that it cools is told, and nothing else",
                self._told == figures.TANK_MINERS and self._gpus == figures.GPUS and not self._others,
                f"{self._told} of {figures.TANK_MINERS} miners told, {self._gpus} of {figures.GPUS} GPUs at "
                f"{figures.GPU_LOWEST_W:g} W; the last miner {written(after_s)} after the limit was first read",
                simulated=True,
            ),
            Verdict(
                "with its permit held it returns by itself, and a tagged miner does not",
                self._tag_held and course.tank_returned_ns is not None,
                f"{len(self._raised)} miners told to return, the tagged one {'not' if self._tag_held else 'TOO'}",
                simulated=True,
            ),
            Verdict(
                "with the tag taken off it is back too",
                course.untag_returned_ns is not None,
                f"{written(since(course.untag_returned_ns, course.untagged_ns))} after it was taken off",
                simulated=True,
            ),
            Verdict(
                "miners that say they stop and do not are cut by their contactor, after they were asked",
                self._dark_ns is not None
                and self._asked_ns is not None
                and self.opened_ns is not None
                and self.opened_ns > self._asked_ns,
                f"its coil {written(since(self.opened_ns, self._asked_ns))} after the last of them was asked",
                simulated=True,
            ),
            Verdict(
                "the contactor closes again, not before its minimum open time, and everything is back",
                open_ns is not None and open_ns >= figures.MIN_OPEN_S * S and course.all_back_ns is not None,
                f"{written(open_ns)} after it was opened",
                simulated=True,
            ),
        ]

    def times(self) -> list[Measured]:
        """The measured times, in the order in which they should come."""
        low = f"condenser below {figures.FLOW_LPM_MIN:g} l/min in the register"
        lied = "the last of the lying miners asked"
        return [
            Measured("read by the agent's next poll", since(self._seen_ns, self.low_ns), low),
            Measured(
                f"last of {self._told} miners told to stop ({figures.SHED_FOR_MS} ms are waited)",
                since(self.last_off_ns, self.low_ns),
                low,
            ),
            Measured(
                f"last of {self._gpus} GPUs at {figures.GPU_LOWEST_W:g} W", since(self.lowest_ns, self.low_ns), low
            ),
            Measured(
                "first miner of the tank told to return",
                since(self._first_on_ns, self._course.flow_back_ns),
                "flow back",
            ),
            Measured("contactor's coil written", since(self.opened_ns, self._asked_ns), lied),
            Measured("its poles open", since(self._dark_ns, self.opened_ns), "its coil written"),
            Measured(
                "contactor told to close", since(self.closed_ns, self._course.lie_over_ns), "the grid is well again"
            ),
        ]


def _number(address: str) -> tuple[int, ...]:
    return tuple(int(part) for part in address.split("."))
