"""What a run of the rig found: the one thing that reports, comparisons and JUnit read. OUT/results.json is a RunResult.

Terms:
    verdict      of a scenario: `passed`; `failed` (an expectation did not hold); `error` (it could not be played to its
                 end); `not_runnable` (this rig or this machine can't do what it needs; never counted as passed)
    expectation  one sentence of the scenario's, what it expected and what was seen
    series       values over time for a plot; times are seconds since the scenario's start, and so are all `at_s`
    latency      a distribution with every sample in it; a reader makes the histogram and the percentiles it wants,
                 by `percentile` here, so that two readers don't differ

Files are named relative to the folder that results.json is in.
"""

import math
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import msgspec
from msgspec import Struct

FILE = "results.json"
VERSION = 1


class Verdict(StrEnum):
    """How a scenario ended."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    NOT_RUNNABLE = "not_runnable"


class Expectation(Struct, frozen=True):
    """One expectation and what became of it."""

    kind: str  # its kind in the scenario file
    text: str  # "delivered: at least 12.4 kW at the meter within 8 s of the drop"
    expected: str  # "at least 12.4 kW within 8 s"
    seen: str  # "13.1 kW after 3.2 s"
    ok: bool


class Moment(Struct, frozen=True):
    """Something that was done, or that happened: a mark on every plot."""

    at_s: float
    kind: str  # "plant" "fault" "command" "person" "agent" "event"
    text: str


class Series(Struct, frozen=True):
    """One line of a plot. Points are drawn as a polyline, or as a staircase where the value holds until the next."""

    name: str  # "frequency" "power" "limit" "on" "off" "meter_refresh_ms" ...
    group: str  # one plot for each: "frequency" "power" "loads" "gpus" "tank" "contactors"
    unit: str  # "Hz" "kW" "loads"
    at_s: tuple[float, ...]
    values: tuple[float | None, ...]  # None: nothing known, a hole in the line
    staircase: bool = False


class Latency(Struct, frozen=True):
    """Times that were measured outside the agent."""

    name: str  # "register served -> last byte of the verb read, last miner"
    unit: str  # "ms"
    samples: tuple[float, ...]
    subject: str = "agent"  # or "floor": the C program in the same scenario, what the rig itself costs

    def percentile(self, share: float) -> float | None:
        """percentile(self.samples, share)."""
        return percentile(self.samples, share)


class ScenarioResult(Struct, frozen=True, kw_only=True):
    """One scenario."""

    name: str
    title: str
    stands_for: str  # the rule, programme, invariant or incident
    file: str  # the scenario's file
    fast: bool
    verdict: Verdict
    why: str = ""  # for every verdict but passed: what, in one line
    started_utc: str = ""  # "2026-01-31T12:00:00Z"
    wall_s: float = 0.0
    seed: int = 0
    expectations: tuple[Expectation, ...] = ()
    moments: tuple[Moment, ...] = ()
    series: tuple[Series, ...] = ()
    latencies: tuple[Latency, ...] = ()
    files: dict[str, str] = {}  # what it is -> where: "records" (JSON lines), "agent log", "site.toml"


class RunResult(Struct, frozen=True, kw_only=True):
    """A whole run."""

    version: int = VERSION
    rig: str  # name of the rig.toml
    rig_real: tuple[str, ...] = ()  # the devices that were no stand-ins
    started_utc: str
    wall_s: float
    seed: int
    environment: dict[str, str]  # machine, cores, kernel, python, ballast, mosquitto, ...
    scenarios: tuple[ScenarioResult, ...]

    def count(self, verdict: Verdict) -> int:
        """How many ended so."""
        return sum(1 for one in self.scenarios if one.verdict is verdict)

    def scenario(self, name: str) -> ScenarioResult | None:
        """By name."""
        return next((one for one in self.scenarios if one.name == name), None)


def percentile(samples: Sequence[float], share: float) -> float | None:
    """The smallest sample that at least this share (0.5, 0.99, 0.999) of them do not exceed; None of none."""
    if not samples:
        return None
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def save(result: RunResult, folder: Path) -> Path:
    """Writes results.json."""
    file = folder / FILE
    file.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1))
    return file


def load(place: Path) -> RunResult:
    """Reads results.json, or the one in a folder."""
    file = place / FILE if place.is_dir() else place
    result = msgspec.json.decode(file.read_bytes(), type=RunResult)
    if result.version != VERSION:
        raise ValueError(f"{file}: version {result.version}, and this program reads {VERSION}; run it again")
    return result
