"""Plays one scenario from its begin to its end and judges it.

The agent is started and settled first; then the timeline begins. An entry that waits in vain ends it: that is a failed
expectation, and the others are judged by what was seen until then. Whatever goes wrong with the playing itself is an
error, and never passed.
"""

import json
import time
from datetime import UTC, datetime
from pathlib import Path

from hil.evidence import EvidenceError
from hil.remote import RigError
from hil.results import Expectation, Latency, Moment, ScenarioResult, Verdict
from hil.rig_file import RigFile, RigFileError
from hil.scenario import verbs
from hil.scenario.collect import collect
from hil.scenario.deeds import Deeds, said, sleep_until
from hil.scenario.expect.base import Expect
from hil.scenario.expect.telling import Reaction
from hil.scenario.file import Entry, Scenario
from hil.scenario.floor import floor_latency
from hil.scenario.plots import latencies, series
from hil.scenario.seen import Seen
from hil.scenario.stage import NotInTime, Stage
from hil.under_test import Died

_LAST_RECORDS_S = 0.5  # what was told last is still on its way through the broker
ERRORS = (RigError, RigFileError, EvidenceError, OSError, ValueError, KeyError, AssertionError)


def play(scenario: Scenario, file: RigFile, folder: Path, seed: int) -> ScenarioResult:
    """One scenario; `file` is the rig with the devices that it uses alone."""
    started = datetime.now(UTC)
    start_s = time.monotonic()
    run = _Run(scenario, folder)
    try:
        with Stage(scenario, file, folder, seed) as stage:
            run.through(stage)
    except ERRORS as error:
        run.wrong(Verdict.ERROR, f"{type(error).__name__}: {error}")
    return run.result(started.strftime("%Y-%m-%dT%H:%M:%SZ"), time.monotonic() - start_s, seed)


class _Run:
    """What comes of it, as it comes."""

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        self._scenario = scenario
        self._folder = folder
        self._marks: list[Moment] = []
        self._moments: dict[str, float] = {}
        self._verdicts: list[Expectation] = []
        self._seen: Seen | None = None
        self._groups: dict[str, tuple[str, ...]] = {}
        self._floor: tuple[Latency, ...] = ()
        self._verdict, self._why = Verdict.PASSED, ""

    def wrong(self, verdict: Verdict, why: str) -> None:
        """The first thing that was."""
        if self._verdict is Verdict.PASSED:
            self._verdict, self._why = verdict, why

    def through(self, stage: Stage) -> None:
        """Start, timeline, end, judgement."""
        try:
            stage.start_agent(settled=True)
        except (NotInTime, Died) as error:
            self.wrong(Verdict.FAILED, f"before the timeline: {error}")
            return
        stage.mark()
        start_ns = time.monotonic_ns()
        try:
            self._timeline(stage, start_ns)
        except (NotInTime, Died) as error:
            self.wrong(Verdict.FAILED, str(error).splitlines()[0])
        end_ns = time.monotonic_ns()
        try:
            stage.last_status = stage.agent.status() if stage.agent.pid is not None else {}
            stage.stop_agent()
        except Died as error:
            self.wrong(Verdict.FAILED, str(error).splitlines()[0])
        time.sleep(_LAST_RECORDS_S)
        if stage.blind is not None:
            raise RigError(f"nothing was sampled from some instant on: {stage.blind}")
        seen = collect(stage, start_ns, end_ns, self._moments)
        self._groups = {name: loads for name, loads in stage.loads.items() if name != "all"}
        self._seen = seen
        self._judge(seen)
        self._write_records(seen)
        if self._scenario.floor is not None:
            self._floor = floor_latency(stage, self._scenario.floor, self._folder)

    def _timeline(self, stage: Stage, start_ns: int) -> None:
        deeds = Deeds(stage)
        start_s = before_s = time.monotonic()
        for number, entry in enumerate(self._scenario.at, 1):
            sleep_until(entry, start_s, before_s)
            if time.monotonic() - start_s > self._scenario.head.limit_s:
                raise NotInTime(f"it takes longer than limit_s = {self._scenario.head.limit_s:g}")
            at_ns = time.monotonic_ns()
            try:
                deeds.do(entry)
            except NotInTime as error:
                text = said(entry)
                self._verdicts.append(Expectation("wait", text, text, str(error), ok=False))
                raise NotInTime(f"[[at]] {number}{f' {entry.id!r}' if entry.id else ''}: {error}") from error
            moment_s = (_moment_ns(stage, entry, at_ns) - start_ns) / 1e9
            if entry.id:
                self._moments[entry.id] = moment_s
            if entry.do != "pause":
                self._marks.append(Moment(moment_s, verbs.kind_of(entry.do), said(entry)))
            stage.mark()
            before_s = time.monotonic()

    def _judge(self, seen: Seen) -> None:
        for expect in self._scenario.expect:
            verdict = _judged(expect, seen)
            self._verdicts.append(verdict)
            if not verdict.ok:
                self.wrong(Verdict.FAILED, f"{verdict.text}: {verdict.seen}")

    def _write_records(self, seen: Seen) -> None:
        with (self._folder / "records.jsonl").open("w", encoding="utf-8") as file:
            for record in seen.records:
                line = {"at_s": round(record.at_s, 4), "channel": record.channel, "body": record.body}
                file.write(json.dumps(line) + "\n")

    def result(self, started_utc: str, wall_s: float, seed: int) -> ScenarioResult:
        """All of it."""
        head, seen = self._scenario.head, self._seen
        crossings = [
            (one.below_hz, *one.window(seen))
            for one in self._scenario.expect
            if seen is not None and isinstance(one, Reaction) and {one.after, one.until} <= self._known()
        ]
        names = {"records": "records.jsonl", "agent log": "agent.log", "site.toml": "site.toml"}
        return ScenarioResult(
            name=self._scenario.name,
            title=head.title,
            stands_for=head.stands_for,
            file=self._scenario.path.name,
            fast=head.fast,
            verdict=self._verdict,
            why=self._why,
            started_utc=started_utc,
            wall_s=round(wall_s, 2),
            seed=seed,
            expectations=tuple(self._verdicts),
            moments=tuple(self._marks),
            series=series(seen, self._groups) if seen is not None else (),
            latencies=(*(latencies(seen, crossings) if seen is not None else ()), *self._floor),
            files={
                what: f"{self._folder.name}/{name}" for what, name in names.items() if (self._folder / name).exists()
            },
        )

    def _known(self) -> set[str]:
        return {"start", "end", *self._moments}


def _moment_ns(stage: Stage, entry: Entry, begun_ns: int) -> int:
    """When an entry counts as done: a deed when it was begun, a wait when it was over, a crossing when it was shown."""
    if not isinstance(entry.arguments, verbs.Wait):
        return begun_ns
    below_hz = entry.arguments.until.hz_below
    crossed_ns = None if below_hz is None else stage.crossed_ns(below_hz)
    return time.monotonic_ns() if crossed_ns is None else crossed_ns


def _judged(expect: Expect, seen: Seen) -> Expectation:
    kind = str(expect.__struct_config__.tag)
    try:
        judged = expect.judge(seen)
    except KeyError as error:
        text = expect.text or kind
        return Expectation(kind, text, text, f"the moment or command {error} never came", ok=False)
    return Expectation(kind, expect.text or f"{kind}: {judged.expected}", judged.expected, judged.seen, ok=judged.ok)
