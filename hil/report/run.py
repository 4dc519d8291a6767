"""The page of one run: how it ended at a glance, then each scenario with what it stands for, expected, saw and did.

A scenario that passed is folded; one that did not is open. `Held` are the records that came while it ran, which the
page carries with it, so that it can be handed on alone. Few reactions happen in one scenario: what was timed in several
is shown of all of them together as well.
"""

from collections.abc import Mapping, Sequence
from pathlib import PurePath

from hil import page
from hil.histogram import PERCENTILES
from hil.page import Check
from hil.report import plots
from hil.report.plots import Take
from hil.results import Expectation, Latency, RunResult, ScenarioResult, Verdict

Held = Mapping[str, Sequence[str]]  # scenario -> its records but for telemetry, a line each

_ENOUGH = 10  # samples; of fewer a table says it all
_ORDER = (Verdict.ERROR, Verdict.FAILED, Verdict.NOT_RUNNABLE, Verdict.PASSED)


def run_page(run: RunResult, held: Held) -> str:
    """The whole page."""
    return page.page(
        f"Rig {run.rig}: {_outcome(run)}",
        [
            page.heading(f"Run of the rig {run.rig}", _ok(run), _outcome(run), _notes(run)),
            page.check_list([_summary(run, one) for one in _worst_first(run)]),
            *_all_times(run),
            "<h2>Scenarios</h2>",
            *[_scenario(_anchor(run, one), one, held.get(one.name, ())) for one in _worst_first(run)],
            "<h2>Where it ran</h2>",
            page.table(("what", "which"), sorted(run.environment.items()), numbers=()),
        ],
    )


def _ok(run: RunResult) -> bool:
    return run.count(Verdict.PASSED) > 0 and not run.count(Verdict.FAILED) and not run.count(Verdict.ERROR)


def _outcome(run: RunResult) -> str:
    number = len(run.scenarios)
    if number and run.count(Verdict.PASSED) == number:
        return f"All {number} scenarios passed"
    counts = [f"{run.count(verdict)} {page.WORDS[verdict]}" for verdict in _ORDER if run.count(verdict)]
    return f"{', '.join(counts)}; {number} scenarios in all" if number else "No scenario was played"


def _notes(run: RunResult) -> list[str]:
    devices = f"real: {', '.join(run.rig_real)}" if run.rig_real else "stand-ins alone, no real device"
    return [f"{run.started_utc}, {spoken(run.wall_s)}, seed {run.seed}; {devices}."]


def _worst_first(run: RunResult) -> list[ScenarioResult]:
    return sorted(run.scenarios, key=lambda one: _ORDER.index(one.verdict))


def _anchor(run: RunResult, one: ScenarioResult) -> str:
    return f"scenario-{[each.name for each in run.scenarios].index(one.name) + 1}"


def _summary(run: RunResult, one: ScenarioResult) -> Check:
    return Check(one.verdict, one.title, one.why, href=f"#{_anchor(run, one)}")


def _scenario(anchor: str, one: ScenarioResult, records: Sequence[str]) -> str:
    takes = [Take("", one)]
    from_s, to_s = plots.ends(takes)
    markup = [
        page.paragraph(f"Stands for: {one.stands_for}"),
        page.paragraph(f"{PurePath(one.file).name}, seed {one.seed}, {spoken(one.wall_s)}."),
        *([page.paragraph(f"Why it did not pass: {one.why}")] if one.why else []),
        page.check_list([_expectation(expectation) for expectation in one.expectations]),
        *[page.plot(panel, from_s, to_s) for panel in plots.panels(takes)],
        *_moments(one),
        *(["<h3>Times, measured outside the agent</h3>", *_times(one.latencies)] if one.latencies else []),
        *_records(records),
        *_files(one),
    ]
    return page.fold(
        one.title,
        markup,
        badge_markup=page.badge(one.verdict),
        opened=one.verdict in (Verdict.FAILED, Verdict.ERROR),
        anchor=anchor,
    )


def _expectation(one: Expectation) -> Check:
    expected = "" if one.expected in one.text else f"expected {one.expected}; "  # it is there already
    return page.check(one.ok, one.text, f"{expected}seen {one.seen}")


def _moments(one: ScenarioResult) -> list[str]:
    rows = [
        (str(number), f"{moment.at_s:.2f} s", moment.kind, moment.text)
        for number, moment in enumerate(one.moments, start=1)
    ]
    if not rows:
        return []
    return ["<h3>What was done and what happened</h3>", page.table(("mark", "at", "kind", "what"), rows, numbers=(1,))]


def _times(latencies: Sequence[Latency]) -> list[str]:
    """A histogram of those that have the same name, where there is enough for one, and their percentiles."""
    head = ("count", *[name for name, _ in PERCENTILES], "max")
    markup = []
    for histogram in plots.histograms([("", latencies)]):
        same = [one for one in latencies if (one.name, one.unit) == (histogram.title, histogram.unit)]
        enough = any(len(times.values) >= _ENOUGH for times in histogram.times)
        markup += [
            page.distribution(histogram) if enough else page.paragraph(histogram.title),
            page.table((histogram.unit, *head), [_latency(one) for one in same], numbers=range(1, len(head) + 1)),
        ]
    return markup


def _all_times(run: RunResult) -> list[str]:
    """What was timed in more than one scenario, of all of them together."""
    pooled: dict[tuple[str, str, str], list[Latency]] = {}
    for one in run.scenarios:
        for latency in one.latencies:
            pooled.setdefault((latency.name, latency.unit, latency.subject), []).append(latency)
    together = [
        Latency(name, unit, tuple(sample for one in several for sample in one.samples), subject)
        for (name, unit, subject), several in pooled.items()
        if len(several) > 1
    ]
    return (
        ["<h2>Times, measured outside the agent, of all scenarios together</h2>", *_times(together)] if together else []
    )


def _latency(one: Latency) -> tuple[str, ...]:
    values = [one.percentile(share) for _, share in PERCENTILES] + [max(one.samples, default=None)]
    written = ["none" if value is None else f"{value:.4g}" for value in values]
    return (one.subject, str(len(one.samples)), *written)


def _records(records: Sequence[str]) -> list[str]:
    if not records:
        return []
    return [page.fold(f"{len(records)} records whose signatures verified", [page.preformatted(records)])]


def _files(one: ScenarioResult) -> list[str]:
    return ["<h3>Files</h3>", page.links(sorted(one.files.items()))] if one.files else []


def spoken(seconds: float) -> str:
    """A duration for people."""
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.1f} min"
