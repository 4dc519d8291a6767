"""The outside of one run: what clocks on the cables, power analysers on the loads and a subscriber at the broker
would have written down.

Talk     one exchange with a load or contactor, read as what it asked for: a verb (on, off) or a read. A contactor's is
         a coil: on closes it. A GPU's is a limit: off lowers it, on raises it
Seen     one good or bad answer of the site's meter that reached the agent
Sent     one command that the outside published, and whether it deserves to be obeyed
Message  one MQTT message that the agent published

Times are the loop's nanoseconds. Nothing here, and no judge, imports the agent or drivers.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import pairwise

from msgspec import Struct, field

from tests.sim.judges.devices import Devices

NS_PER_S = 1_000_000_000


class Fault(Struct, frozen=True):
    """One thing that must never be, and when it was."""

    judge: str
    at_ns: int
    what: str

    def __str__(self) -> str:
        return f"{self.at_ns / NS_PER_S:.6f} {self.judge}: {self.what}"


class Asks(StrEnum):
    """What a request is, from its bytes alone."""

    READ = "read"
    ON = "on"
    OFF = "off"
    SESSION = "session"  # asks for the right to say a verb, or gives it back
    OTHER = "other"  # not known to be a read: as bad as a verb where only reads are allowed
    NOTHING = "nothing"  # not a byte went out


_READS = {
    "version",
    "summary",
    "devs",
    "devdetails",
    "stats",
    "estats",
    "litestats",
    "pools",
    "config",
    "coin",
    "check",
    "power",
}
_COMMAND = re.compile(rb'"command"\s*:\s*"([^"]*)"')
_CURTAIL = re.compile(rb'"parameter"\s*:\s*"[^",]*,(sleep|wakeup)"')


def asks(request: bytes) -> Asks:
    """A cgminer API request as an outsider reads it: JSON or text, joined reads included."""
    if not request:
        return Asks.NOTHING
    if b"softoff" in request:
        return Asks.OFF
    if b"softon" in request:
        return Asks.ON
    found = _COMMAND.search(request)
    if found and found.group(1) in (b"logon", b"logoff"):
        return Asks.SESSION
    action = _CURTAIL.search(request)
    if found and found.group(1) == b"curtail" and action:
        return Asks.OFF if action.group(1) == b"sleep" else Asks.ON
    names = (found.group(1) if found else request.partition(b"|")[0]).decode("latin-1").strip("\0\r\n ").split("+")
    return Asks.READ if all(name in _READS for name in names) else Asks.OTHER


class Talk(Struct, frozen=True):
    """One connection to one load."""

    load: str  # its address
    life: int
    opened_ns: int
    asks: Asks
    sent_ns: int | None
    heard_ns: int | None  # the load's kernel had all of it
    answered_ns: int | None  # the agent had read a whole answer
    says_on: bool | None = None  # a read's answer: the step it claims
    rise_w: float | None = None  # what a raise raises; None: all that the load is rated for


class Seen(Struct, frozen=True):
    """One answer of the meter that reached the agent; None for what it did not tell or what is no number."""

    at_ns: int
    life: int
    window: int
    power_w: float | None = None
    frequency_hz: float | None = None
    volts: tuple[float, ...] | None = None


class Sent(Struct, frozen=True):
    """One command that was published to the agent."""

    at_ns: int
    id: str
    sha: str  # SHA-256 of its envelope
    limit_w: float | None  # None: a release or something else
    lease_ns: int | None
    releases: str = ""  # the id of the command it releases, "" when it does not
    deserves: str = "accepted"  # "accepted", a rejection's code, "silence"; "anything": it depends
    accepted_ns: int | None = None  # when its acceptance was published; None: never


class Message(Struct, frozen=True):
    """One message that reached the broker."""

    at_ns: int
    life: int
    topic: str
    payload: bytes
    retain: bool


class Life(Struct, frozen=True):
    """One run of the agent."""

    number: int
    from_ns: int
    to_ns: int | None  # None: it still ran at the end
    clean: bool = False  # stopped, not killed


class Moved(Struct, frozen=True):
    """Something that the world did to a load: it moved by itself, lost its power, fell ill, got well."""

    at_ns: int
    load: str
    what: str


class Rules(Struct, frozen=True):
    """What the site's owner wrote down, in watts and nanoseconds."""

    observe: bool
    circuit: str
    limit_w: float
    margin_w: float
    unmetered_w: float
    ramp_up_w_per_s: float
    jump_up_w: float
    min_off_ns: int
    blind_after_ns: int
    fallback_w: float
    ramp_down_w_per_s: float
    shed_below_hz: float
    shed_w: float
    release_above_hz: float
    release_for_ns: int
    confirm_refreshes: int
    refresh_ns: int
    poll_ns: int
    load_poll_ns: int
    nominal_ln_v: float
    noise_w: float


class Outside(Struct):
    """All of it."""

    rules: Rules
    now_ns: int
    lives: Sequence[Life]
    talks: Sequence[Talk]  # by opened_ns
    seen: Sequence[Seen]  # by at_ns
    rated_w: Mapping[str, float]
    watts: Callable[[str, int], float]  # a load's true watts at an instant
    settles: Callable[[str, int], float]  # where its watts were going at that instant
    unmetered: Callable[[int], float]
    moved: Sequence[Moved] = ()
    sent: Sequence[Sent] = ()
    messages: Sequence[Message] = ()
    agent_key: bytes = b""  # raw Ed25519 public key, as enrolled
    root: str = "ballast"
    devices: Devices = field(default_factory=Devices)
    judged: Counter[str] = field(default_factory=Counter)  # judge -> how many times it had something to judge

    @property
    def feeds(self) -> Mapping[str, Sequence[str]]:
        """Contactor -> what it feeds."""
        return self.devices.gear.feeds if self.devices.gear is not None else {}

    def full_w(self, name: str) -> float:
        """What a load draws at most, or all that a contactor feeds."""
        rated_w = self.rated_w.get(name)
        return sum(self.rated_w[load] for load in self.feeds[name]) if rated_w is None else rated_w

    def rise_w(self, verb: "Talk") -> float:
        """What a raising verb raises."""
        return self.full_w(verb.load) if verb.rise_w is None else verb.rise_w

    def off_ns_min(self, name: str) -> int:
        """How long a load or contactor must have been down before it is raised."""
        gear, gpus = self.devices.gear, self.devices.gpus
        if gear is not None and name in gear.feeds:
            return gear.open_ns_min
        return 0 if gpus is not None and name in gpus.loads else self.rules.min_off_ns

    def is_read_alone(self, name: str) -> bool:
        """Whether it is asked by connections of its own; contactors and GPUs are read with all others."""
        gpus = self.devices.gpus
        return name not in self.feeds and (gpus is None or name not in gpus.loads)

    def gives_w(self, load: str, at_ns: int) -> float:
        """What a load can be asked for, but for protection: a GPU keeps its floor."""
        gpus = self.devices.gpus
        kept_w = gpus.floor_w if gpus is not None and load in gpus.loads else 0.0
        return max(0.0, self.watts(load, at_ns) - kept_w)

    def is_up(self, load: str, at_ns: int) -> bool:
        """Whether a load draws most of what it can be asked for."""
        gpus = self.devices.gpus
        kept_w = gpus.floor_w if gpus is not None and load in gpus.loads else 0.0
        return self.gives_w(load, at_ns) > 0.5 * (self.rated_w[load] - kept_w)

    def seems_dark(self, load: str, at_ns: int) -> bool:
        """Whether nobody could know that this load draws: its contactor's contacts say open, and it does not answer."""
        gear = self.devices.gear
        contactor = next((name for name, fed in self.feeds.items() if load in fed), None)
        if gear is None or contactor is None:
            return False
        shown = [
            seen.values[f"{contactor}_52b"]
            for seen in self.devices.seen
            if seen.plc == gear.name and f"{contactor}_52b" in seen.values and seen.at_ns <= at_ns
        ]
        answered = any(
            talk.load == load
            and talk.answered_ns is not None
            and 0 <= at_ns - talk.answered_ns < 2 * self.rules.load_poll_ns
            for talk in self.talks
        )
        return bool(shown) and shown[-1] == 1.0 and not answered

    def has_lapsed(self, name: str, at_ns: int) -> bool:
        """Whether a GPU's lease had lapsed before that: then gpud took it down on our behalf."""
        renewed = [lease.at_ns for lease in self.devices.leased if lease.uuid == name and lease.at_ns <= at_ns]
        return any(after - before > 15 * NS_PER_S for before, after in pairwise(renewed))

    def held(self, name: str, verbs: Sequence[str], at_ns: int) -> bool:
        """Whether a person had tagged this (or put it into LOCAL, as `verbs` says) and not taken that back."""
        newest: dict[tuple[str, str], bool] = {}
        undone = {"untag": "tag", "leave": "local"}
        for said in self.devices.said:
            if said.done_ns <= at_ns and name in said.loads:
                newest[undone.get(said.verb, said.verb), said.target] = said.verb not in undone
        return any(on for (verb, _), on in newest.items() if verb in verbs)

    def is_local(self, name: str, at_ns: int) -> bool:
        """Whether nothing may be written to this: by a person's word, or a panel's contact that an agent has read."""
        if self.held(name, ("local",), at_ns):
            return True
        gear = self.devices.gear
        if gear is None or name not in self.told(gear.feeds) | set(gear.feeds):
            return False
        life = self.life_at(at_ns)
        said = [
            seen.values["remote"]
            for seen in self.devices.seen
            if seen.plc == gear.name
            and "remote" in seen.values
            and seen.at_ns <= at_ns
            and life is not None
            and seen.life == life.number
        ]
        return bool(said) and said[-1] < 0.5

    def told(self, names: Iterable[str]) -> set[str]:
        """The loads among these, and those behind the contactors among them."""
        return {load for name in names for load in self.feeds.get(name, (name,))}

    def powers(self) -> list[Seen]:
        """The answers that brought a power which is new: a meter that repeats itself measures nothing."""
        known: set[tuple[int, int]] = set()
        news: list[Seen] = []
        for answer in self.seen:
            if answer.power_w is not None and (answer.life, answer.window) not in known:
                known.add((answer.life, answer.window))
                news.append(answer)
        return news

    def net_w(self, at_ns: int) -> float:
        """The true net power."""
        return self.unmetered(at_ns) + sum(self.watts(load, at_ns) for load in self.rated_w)

    def verbs(self, kind: Asks) -> list[Talk]:
        """The verbs of one kind that left the agent, in order."""
        return sorted((talk for talk in self.talks if talk.asks is kind and talk.sent_ns is not None), key=sent_at)

    def life_at(self, at_ns: int) -> Life | None:
        """The life of an instant; None while there was no agent."""
        return next(
            (life for life in self.lives if life.from_ns <= at_ns and (life.to_ns is None or at_ns <= life.to_ns)), None
        )


def sent_at(talk: Talk) -> int:
    """When its last byte left; for talks that sent one."""
    assert talk.sent_ns is not None
    return talk.sent_ns
