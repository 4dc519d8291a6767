"""A PLC with contactors that really cut what they feed.

Terms: *52a* is an auxiliary contact that is 1 while its contactor is closed, *52b* one that is 1 while it is open; both
are 0 on the way. A *weld* holds the main poles closed whatever the coil does; auxiliary contacts that are mechanically
linked show it, others do not.

The program, by the list that its layout names:
- A coil of 1 asks to close. It is done only in remote, while the contactor's interlocks are 1 and beats come; else the
  request is dropped: the coil goes back to 0, so that nothing closes by itself when they return.
- A coil of 0 opens; so does the loss of an interlock (they are hard-wired too), and the coil goes back to 0.
- No new heartbeat for 10 s blocks closing. After 60 s what is marked `on_silence = "open"` is opened.
- In LOCAL coils are not obeyed: they are set to what the contactors are, which the panel alone moves (`hand`).
- After a restart coils are 0 and maintained contactors have fallen open.

How long they travel is in hil/physics/contactor.toml.
"""

import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from msgspec import Struct

from hil.clock import Clock
from hil.modbus_pdu import ILLEGAL_ADDRESS, RefusedPdu
from hil.physics.parameters import pick
from hil.plc import COMM_TIME_OUT_S, Plc, load_plc_layout

OPEN_AFTER_S = 60.0
_STAMPS_KEPT = 10_000


class Travel(Struct, frozen=True):
    """How long a kind of contactor travels, [least, most]."""

    closes_ms: tuple[float, float]
    opens_ms: tuple[float, float]


_TRAVEL = pick("contactor", Travel, "af40-af80")


class ContactorConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """One contactor's wiring, in the numbers of the list: coil 1 is k1, input 2 is di2."""

    id: str
    coil: int
    closed: int  # the input that its 52a is wired to
    open: int  # the input that its 52b is wired to
    miners: tuple[str, ...] = ()  # addresses it feeds
    interlocks: tuple[str, ...] = ()  # of the PLC's inputs: all 1 or it is opened
    on_silence: str = "open"  # open or hold
    starts_closed: bool = True


class ContactorsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A PLC of contactors, on an endpoint of its own or on another device's."""

    id: str = "switchgear"
    unit_id: int = 20
    host: str = "127.0.0.1"
    port: int = 0
    on: str = ""  # the device whose endpoint it shares
    contactors: tuple[ContactorConfig, ...] = ()
    inputs: dict[str, int] = {}  # what else is wired to which input: {"estop_ok": 4}; 1 until told otherwise
    remote: str = ""  # of those, the panel's switch
    seed: int = 1


class Contactor:
    """One contactor. `poles` are what feeds: they and the auxiliary contacts differ when it is welded or on its way."""

    def __init__(self, config: ContactorConfig, switched: Callable[[bool], None]) -> None:
        self.config = config
        self.poles = config.starts_closed
        self.armature = config.starts_closed  # where the auxiliary contacts are, at the end of a travel
        self.travels_to: tuple[bool, int] | None = None  # where to and when it is there
        self.welded = False
        self.linked = True  # its auxiliary contacts show a weld
        self.stuck: tuple[bool, bool] | None = None  # what 52a and 52b show whatever is so
        self._switched = switched

    @property
    def bound(self) -> bool:
        """Whether it is closed, or on its way there."""
        return self.armature if self.travels_to is None else self.travels_to[0]

    def drive(self, closed: bool, there_ns: int) -> None:
        """Its coil is energised or not, from now."""
        self.travels_to = (closed, there_ns)

    def arrive(self, now_ns: int) -> None:
        """It is where it travelled to, when it is time."""
        if self.travels_to is not None and now_ns >= self.travels_to[1]:
            self.armature, self.travels_to = self.travels_to[0], None
        poles = self.poles if self.travels_to is not None else self.armature or (self.welded and self.poles)
        if poles != self.poles:
            self.poles = poles
            self._switched(poles)

    def auxiliary(self) -> tuple[bool, bool]:
        """What 52a and 52b show."""
        if self.stuck is not None:
            return self.stuck
        if self.welded and self.linked and self.poles:
            return True, False
        if self.travels_to is not None:
            return False, False
        return self.armature, not self.armature


class ContactorPlc(Plc):
    """Contactors and their PLC. `switch` is called with a contactor's config and whether its poles are closed now."""

    def __init__(
        self,
        config: ContactorsConfig,
        switch: Callable[[ContactorConfig, bool], None],
        clock: Clock = time.monotonic_ns,
    ) -> None:
        self.config = config
        self.inputs = dict.fromkeys(config.inputs, True)
        self.contactors = {one.id: Contactor(one, partial(switch, one)) for one in config.contactors}
        self.coil_writes: deque[tuple[int, int, bool]] = deque(maxlen=_STAMPS_KEPT)  # when, which coil, what
        self.moves: deque[tuple[int, str, bool]] = deque(maxlen=_STAMPS_KEPT)  # when which one's poles were moved
        self.looks: deque[int] = deque(maxlen=_STAMPS_KEPT)  # when its inputs were read
        self._coils: list[bool] = []
        self._random = random.Random(f"contactors:{config.seed}")
        super().__init__(load_plc_layout("contactors-16"), clock)
        for contactor in self.contactors.values():
            self._coils[contactor.config.coil - 1] = contactor.armature

    def round(self, now_ns: int) -> None:
        """Obeys the coils as far as the program allows, and moves what is on its way."""
        for contactor in self.contactors.values():
            before = contactor.poles
            contactor.arrive(now_ns)
            if contactor.poles != before:
                self.moves.append((now_ns, contactor.config.id, contactor.poles))
            self._obey(contactor, now_ns)
        self.show(now_ns, {}, {})

    def restarted(self) -> None:
        """Coils are 0."""
        self._coils = [False] * self.layout.coils

    def hand(self, contactor_id: str, closed: bool) -> None:
        """Somebody at the panel, in LOCAL, moves one."""
        contactor = self.contactors[contactor_id]
        self._drive(contactor, closed, self.clock())
        self._coils[contactor.config.coil - 1] = closed

    def read_bits(self, table: str, at: int, count: int) -> Sequence[bool]:
        """Coils as asked for, inputs as they are."""
        bits = self._coils if table == "coils" else self._wired()
        if table != "coils":
            self.looks.append(self.clock())
        if at + count > len(bits):
            raise RefusedPdu(ILLEGAL_ADDRESS)
        return bits[at : at + count]

    def write_bits(self, at: int, values: Sequence[bool]) -> None:
        """Coils asked for; the program looks at them in its next round."""
        if at + len(values) > len(self._coils):
            raise RefusedPdu(ILLEGAL_ADDRESS)
        now_ns = self.clock()
        self._coils[at : at + len(values)] = values
        self.coil_writes.extend((now_ns, at + index + 1, value) for index, value in enumerate(values))

    def _obey(self, contactor: Contactor, now_ns: int) -> None:
        at = contactor.config.coil - 1
        if self._is_local:
            self._coils[at] = contactor.bound
            return
        silent_s = self.silent_s(now_ns)
        allowed = all(self.inputs[name] for name in contactor.config.interlocks)
        if not allowed or (silent_s >= OPEN_AFTER_S and contactor.config.on_silence == "open"):
            self._coils[at] = False
        if self._coils[at] and not contactor.bound and silent_s >= COMM_TIME_OUT_S:
            self._coils[at] = False
        if self._coils[at] != contactor.bound:
            self._drive(contactor, self._coils[at], now_ns)

    def _drive(self, contactor: Contactor, closed: bool, now_ns: int) -> None:
        travel_ms = self._random.uniform(*(_TRAVEL.closes_ms if closed else _TRAVEL.opens_ms))
        contactor.drive(closed, now_ns + round(travel_ms * 1e6))

    @property
    def _is_local(self) -> bool:
        return bool(self.config.remote) and not self.inputs[self.config.remote]

    def _wired(self) -> list[bool]:
        wired = [False] * self.layout.inputs
        for name, number in self.config.inputs.items():
            wired[number - 1] = self.inputs[name]
        for contactor in self.contactors.values():
            wired[contactor.config.closed - 1], wired[contactor.config.open - 1] = contactor.auxiliary()
        return wired
