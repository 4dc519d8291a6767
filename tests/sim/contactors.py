"""Virtual contactors and their PLC, laid out as drivers/profiles/contactors-16.toml publishes it; written for virtual
time and apart from hil's.

A coil of 1 asks to close, 0 to open. It closes only in remote, with its interlocks 1 and heartbeats coming; else the
request is dropped. No new heartbeat for 10 s blocks closing, after 60 s it opens. In LOCAL coils are not obeyed. After
a restart coils are 0 and all has fallen open. Travel: 48-120 ms to close, 16-110 ms to open (ABB, Motor protection and
control, AF40 to AF80, "operating time").

A weld holds the poles closed whatever the coil does; auxiliary contacts that are mechanically linked show it, others
(`linked` False) do not. `stuck` is what 52a and 52b show whatever is so.

Inputs: di1.. estop_ok, leak_ok, remote; then each contactor's 52a and 52b. Coils: k1, k2.
"""

from collections.abc import Callable, Sequence
from random import Random

from msgspec import Struct

from drivers.errors import Refused
from tests.sim.loop import NS_PER_S
from tests.sim.plc import ILLEGAL_ADDRESS, ROUND_NS, TIME_OUT_NS, VirtualPlc
from tests.sim.transport import Put
from tests.sim.wire import Network

CLOSES_S, OPENS_S = (0.048, 0.120), (0.016, 0.110)
OPEN_AFTER_NS = 60 * NS_PER_S
INTERLOCKS = ("estop_ok", "leak_ok")
INPUTS = (*INTERLOCKS, "remote")
HEARTBEAT_AT, HOLDING = 0, 5
COILS = 16


class PolesMoved(Struct, frozen=True):
    """Contacts that carry the loads, opened or closed."""

    at_ns: int
    contactor: str
    closed: bool
    ours: bool  # a coil that the agent wrote said so


class VirtualContactor:
    """One of them. `switch` is told whenever its poles move."""

    def __init__(self, name: str, switch: Callable[[bool, bool], None]) -> None:
        self.name = name
        self.poles = self.armature = True
        self.goes: bool | None = None  # where it travels to
        self.welded = False
        self.linked = True
        self.stuck: tuple[bool, bool] | None = None
        self.ours = False
        self._switch = switch

    @property
    def bound(self) -> bool:
        """Closed, or on its way there."""
        return self.armature if self.goes is None else self.goes

    def arrive(self) -> None:
        """It is where it travelled to."""
        if self.goes is not None:
            self.armature, self.goes = self.goes, None
        self.settle()

    def settle(self) -> None:
        """The poles follow the armature, unless they are welded."""
        poles = self.poles if self.goes is not None else self.armature or (self.welded and self.poles)
        if poles != self.poles:
            self.poles = poles
            self._switch(poles, self.ours)

    def auxiliary(self) -> tuple[bool, bool]:
        """What 52a and 52b show."""
        if self.stuck is not None:
            return self.stuck
        if self.welded and self.linked and self.poles:
            return True, False
        if self.goes is not None:
            return False, False
        return self.armature, not self.armature


class VirtualSwitchgear(VirtualPlc):
    """Contactors in the order of their coils; `switch` is called with the name of one, whether it feeds now, and
    whether the agent said so.
    """

    def __init__(
        self,
        name: str,
        network: Network,
        random: Random,
        contactors: Sequence[str],
        switch: Callable[[str, bool, bool], None],
    ) -> None:
        self.inputs = dict.fromkeys(INTERLOCKS, True)
        self.moves: list[PolesMoved] = []
        self._random = random
        self._switch = switch
        self._coils = [True] * len(contactors)
        self.contactors = [VirtualContactor(one, self._moved(one)) for one in contactors]
        super().__init__(name, network, HEARTBEAT_AT)
        self.every(0.1, self.obey)

    def one(self, name: str) -> VirtualContactor:
        return next(contactor for contactor in self.contactors if contactor.name == name)

    def weld(self, name: str, *, linked: bool) -> None:
        """Its poles stick from now on."""
        contactor = self.one(name)
        contactor.welded, contactor.linked = True, linked

    def mend(self) -> None:
        """Nothing is welded or stuck any more; what was held closed falls open."""
        for contactor in self.contactors:
            contactor.welded, contactor.stuck = False, None
            contactor.settle()

    def set_input(self, name: str, on: bool) -> None:
        self.inputs[name] = on
        self.obey()

    def restarted(self) -> None:
        self._coils = [False] * len(self.contactors)
        self.obey(ours=False)

    def obey(self, *, ours: bool = False) -> None:
        """What the program does in a round."""
        if self.stopped:
            return
        at_ns = self.look()
        for number, contactor in enumerate(self.contactors):
            if not self.remote:
                self._coils[number] = contactor.bound
                continue
            allowed = all(self.inputs.values()) and self.silent_ns(at_ns) < OPEN_AFTER_NS
            if not contactor.bound and self.silent_ns(at_ns) >= TIME_OUT_NS:
                allowed = False
            if not allowed:
                self._coils[number] = False
            if self._coils[number] != contactor.bound:
                contactor.goes, contactor.ours = self._coils[number], ours and allowed
                self.network.after(self._random.uniform(*(CLOSES_S if contactor.goes else OPENS_S)), contactor.arrive)

    # what stands behind its endpoint (transport.Device)

    def read(self, unit: int, table: str, at: int, count: int) -> tuple[tuple[int, ...], dict[str, float]]:
        at_ns = self.look()
        if table == "holding" and at + count <= HOLDING:
            return (*self.signs(at_ns), int(self.comm_lost))[at : at + count], {"round": float(at_ns)}
        if table == "coil" and at + count <= COILS:
            coils = [*map(int, self._coils), *[0] * COILS]
            return tuple(coils[at : at + count]), {}
        if table != "discrete":
            raise Refused(self.name, ILLEGAL_ADDRESS, "illegal data address")
        shown = {**self.inputs, "remote": self.remote}
        bits = [int(shown[name]) for name in INPUTS]
        told = {name: float(bit) for name, bit in zip(INPUTS, bits, strict=True)}
        for contactor in self.contactors:
            closed, is_open = contactor.auxiliary()
            bits += [int(closed), int(is_open)]
            told |= {f"{contactor.name}_52a": float(closed), f"{contactor.name}_52b": float(is_open)}
        return tuple([*bits, *[0] * 48][at : at + count]), told

    def write(self, put: Put) -> None:
        if put.table != "coil":
            super().write(put)
            return
        self.puts.append(put)
        if put.at + len(put.values) > COILS:
            raise Refused(self.name, ILLEGAL_ADDRESS, "illegal data address")
        for offset, value in enumerate(put.values):
            if put.at + offset < len(self._coils):
                self._coils[put.at + offset] = bool(value)
        self.network.after(self._random.uniform(0, ROUND_NS / NS_PER_S), lambda: self.obey(ours=True))

    def _moved(self, name: str) -> Callable[[bool, bool], None]:
        def moved(closed: bool, ours: bool) -> None:
            self.moves.append(PolesMoved(self.now_ns, name, closed, ours))
            self._switch(name, closed, ours)

        return moved
