"""Everything that the outside of one run knows: what judges judge from. Instants are CLOCK_MONOTONIC in ns.

A trace is kept on the disk as it grows (trace.jsonl: one kind and its rows a line), so that an hour that has passed can
be judged again. Nothing in it comes from inside the agent: verbs are what miners read, refreshes what meters showed,
looks and coils what the PLC was asked, limits what the GPUs' driver was told, records what came over MQTT and verified.
"""

from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from hil.soak.site import Rules

S = 1_000_000_000


class Fault(Struct, frozen=True):
    """One mischief, from its first to its last effect at the stand-ins; `what` says its particulars."""

    name: str
    from_ns: int
    to_ns: int
    what: str = ""
    targets: tuple[str, ...] = ()


class Life(Struct, frozen=True):
    """One run of a program of ours."""

    from_ns: int
    to_ns: int | None = None  # None: it still ran at the end


class Verb(Struct, frozen=True, array_like=True):
    """A miner had read the last byte of one."""

    at_ns: int
    load: str
    step: str  # "off" or "on"


class Refresh(Struct, frozen=True, array_like=True):
    """One renewal of a meter's registers."""

    changed_ns: int
    served_ns: int | None
    watts: float | None
    hertz: float | None
    volts: float | None


class Round(Struct, frozen=True, array_like=True):
    """One round of the tank's PLC that showed something new."""

    changed_ns: int
    served_ns: int | None
    kpa: float | None
    lpm: float | None
    level: float | None
    permit: float | None


class Turn(Struct, frozen=True, array_like=True):
    """A load, a coil, poles or an input went on or off."""

    at_ns: int
    name: str
    on: bool


class Limit(Struct, frozen=True, array_like=True):
    """A GPU's limit was set at the driver."""

    at_ns: int
    gpu: int
    watts: float


class Write(Struct, frozen=True, array_like=True):
    """Something that could have changed a PLC or a meter."""

    at_ns: int
    device: str
    pdu: str


class Truth(Struct, frozen=True, array_like=True):
    """The plant at one instant."""

    at_ns: int
    watts: float
    hertz: float | None
    on: int
    heat_w: float
    kpa: float
    lpm: float
    gpu_limits_w: tuple[float, ...]
    closed: bool


class Sent(Struct, frozen=True):
    """One command that was published."""

    at_ns: int
    id: str
    sha: str
    deserves: str
    limit_w: float | None = None
    lease_ns: int | None = None
    releases: str = ""


class Record(Struct, frozen=True):
    """One record that verified; telemetry's bodies are not kept."""

    received_ns: int
    channel: str
    body: dict[str, Any]


class Sample(Struct, frozen=True):
    """What the machine says of our programs."""

    at_ns: int
    program: str  # "agent" or "gpud"
    pid: int
    rss_bytes: int
    descriptors: int
    threads: int
    cpu_s: float
    state_bytes: int  # of the agent's state folder


class Trace(Struct):
    """All of it, each list in the order of its instants."""

    rules: Rules
    rated_w: dict[str, float]
    east: tuple[str, ...] = ()
    from_ns: int = 0
    to_ns: int = 0
    seed: int = 0
    faults: list[Fault] = field(default_factory=list)
    tags: list[Fault] = field(default_factory=list)  # name: the target; from when it was durable until it was taken off
    lives: list[Life] = field(default_factory=list)
    gpud_lives: list[Life] = field(default_factory=list)
    verbs: list[Verb] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)  # of loads: they really began or ceased to hash
    main: list[Refresh] = field(default_factory=list)
    backup: list[Refresh] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)
    coils: list[Turn] = field(default_factory=list)
    poles: list[Turn] = field(default_factory=list)
    inputs: list[Turn] = field(default_factory=list)  # as the mischief set them
    looks: list[int] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    truths: list[Truth] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    telemetry: int = 0  # how many such records came
    repeated: int = 0
    refused: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    def alive(self, at_ns: int) -> Life | None:
        """The agent's life of an instant; None while there was none."""
        return next(
            (life for life in self.lives if life.from_ns <= at_ns and (life.to_ns is None or at_ns <= life.to_ns)), None
        )

    def during(self, from_ns: int, to_ns: int, *names: str) -> list[Fault]:
        """The faults of these names (or name beginnings, "meter ") that touch this time."""
        return [
            fault
            for fault in self.faults
            if fault.name.startswith(names) and fault.from_ns <= to_ns and fault.to_ns >= from_ns
        ]


class Keeper:
    """A trace that grows, and its file."""

    def __init__(self, trace: Trace, path: Path) -> None:
        self.trace = trace
        self._file = path.open("wb")
        self._write({"head": trace})

    def add(self, kind: str, *rows: Struct | int) -> None:
        """Rows of one of the trace's lists."""
        if rows:
            getattr(self.trace, kind).extend(rows)
            self._write({kind: rows})

    def put(self, kind: str, value: object) -> None:
        """What is no list that grows, or replaces one: the end, lives, what was refused."""
        setattr(self.trace, kind, value)
        self._write({f"={kind}": value})

    def close(self) -> None:
        """The file is whole."""
        self._file.close()

    def _write(self, line: dict[str, object]) -> None:
        self._file.write(msgspec.json.encode(line) + b"\n")
        self._file.flush()


def load_trace(path: Path) -> Trace:
    """A trace from its file."""
    whole: dict[str, Any] = {}
    for line in path.read_bytes().splitlines():
        ((kind, value),) = msgspec.json.decode(line).items()
        if kind == "head":
            whole = value
        elif kind.startswith("="):
            whole[kind[1:]] = value
        else:
            whole[kind] += value
    return msgspec.convert(whole, Trace)
