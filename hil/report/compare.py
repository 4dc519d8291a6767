"""Two runs side by side: A is what was, B is what is.

*Worse* is a scenario that passed in A and in B failed or could not be played to its end. One that B's machine can't
play, or that B doesn't have, is told and is not worse: nothing is known of it. Times are compared as B's percentile
over A's, the floor's beside the agent's, so that a slower machine is not taken for a slower agent.
"""

from collections.abc import Sequence

from msgspec import Struct

from hil import page
from hil.histogram import PERCENTILES
from hil.page import Check
from hil.report import plots
from hil.report.plots import Take
from hil.results import Latency, RunResult, ScenarioResult, Verdict

_BROKEN = (Verdict.FAILED, Verdict.ERROR)
_SHARES = tuple((name, share) for name, share in PERCENTILES if name in ("p50", "p99"))
TIMES_HEAD = ("scenario", "times", "which", "A", "B", "B/A")
CHANGES_HEAD = ("scenario", "A", "B", "why")


class Pair(Struct, frozen=True):
    """One scenario in both runs; None where a run doesn't have it."""

    a: ScenarioResult | None
    b: ScenarioResult | None

    @property
    def name(self) -> str:
        """Of the scenario."""
        return self.takes[0].result.name

    @property
    def takes(self) -> list[Take]:
        """The sides that there are."""
        return [Take(side, result) for side, result in (("A", self.a), ("B", self.b)) if result is not None]

    @property
    def changed(self) -> bool:
        """Whether its verdict, or that of one of its expectations, is another one."""
        if self.a is None or self.b is None:
            return True
        held = [[(one.text, one.ok) for one in side.expectations] for side in (self.a, self.b)]
        return self.a.verdict is not self.b.verdict or held[0] != held[1]

    @property
    def worse(self) -> bool:
        """Whether it passed and now doesn't."""
        return (
            self.a is not None
            and self.b is not None
            and (self.a.verdict is Verdict.PASSED and self.b.verdict in _BROKEN)
        )


def pairs(a: RunResult, b: RunResult) -> list[Pair]:
    """Every scenario of either run, in B's order; what B doesn't have last."""
    of_b = [Pair(a.scenario(one.name), one) for one in b.scenarios]
    return of_b + [Pair(one, None) for one in a.scenarios if b.scenario(one.name) is None]


def outcome(both: Sequence[Pair]) -> str:
    """In one line."""
    worse, changed = sum(pair.worse for pair in both), sum(pair.changed for pair in both)
    if not changed:
        return f"The same verdicts in {len(both)} scenarios"
    return f"{worse} worse (passed before, not now); {changed} of {len(both)} scenarios changed"


def changes(both: Sequence[Pair]) -> list[tuple[str, ...]]:
    """The rows of CHANGES_HEAD."""
    return [(pair.name, _word(pair.a), _word(pair.b), "; ".join(_reasons(pair))) for pair in both if pair.changed]


def times(both: Sequence[Pair]) -> list[tuple[str, ...]]:
    """The rows of TIMES_HEAD: every distribution that both runs measured."""
    rows = []
    for pair in both:
        for before in pair.a.latencies if pair.a is not None else ():
            for now in pair.b.latencies if pair.b is not None else ():
                if (before.name, before.unit, before.subject) == (now.name, now.unit, now.subject):
                    rows += [(pair.name, *row) for row in _ratios(before, now)]
    return rows


def compare_page(a: RunResult, b: RunResult) -> str:
    """The whole page."""
    both = pairs(a, b)
    title = f"Two runs: {a.rig} and {b.rig}" if a.rig != b.rig else f"Two runs of the rig {a.rig}"
    return page.page(
        title,
        [
            page.heading(title, not any(pair.worse for pair in both), outcome(both), _notes(a, b)),
            page.check_list([_check(pair) for pair in both if pair.changed]),
            "<h2>Times</h2>",
            *_times(both),
            "<h2>Scenarios</h2>",
            *[_scenario(pair) for pair in both],
            "<h2>Where they ran</h2>",
            page.table(("what", "A", "B"), _environments(a, b), numbers=()),
        ],
    )


def _notes(a: RunResult, b: RunResult) -> list[str]:
    return [f"{side}: {run.started_utc}, seed {run.seed}" for side, run in (("A", a), ("B", b))]


def _word(side: ScenarioResult | None) -> str:
    return "not there" if side is None else page.WORDS[side.verdict]


def _reasons(pair: Pair) -> list[str]:
    """B's reason, and each expectation that holds in one of the runs alone."""
    if pair.a is None or pair.b is None:
        return []
    before = {one.text: one for one in pair.a.expectations}
    turned = [one for one in pair.b.expectations if one.text in before and before[one.text].ok is not one.ok]
    said = [f"{one.text}: A {before[one.text].seen}, B {one.seen}" for one in turned]
    return said or [pair.b.why or pair.a.why]


def _check(pair: Pair) -> Check:
    now = pair.b if pair.b is not None else pair.takes[0].result
    detail = f"was {_word(pair.a)}, is {_word(pair.b)}. {'; '.join(_reasons(pair))}"
    tag = "worse" if pair.worse else ""
    return Check(now.verdict if pair.b is not None else Verdict.NOT_RUNNABLE, now.title, detail, tag)


def _ratios(before: Latency, now: Latency) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, share in _SHARES:
        was, is_now = before.percentile(share), now.percentile(share)
        ratio = "none" if not was or is_now is None else f"{is_now / was:.2f}"
        values = (_value(was, before.unit), _value(is_now, now.unit), ratio)
        rows.append((before.name, f"{before.subject} {name}", *values))
    return rows


def _value(value: float | None, unit: str) -> str:
    return "none" if value is None else f"{value:.4g} {unit}"


def _scenario(pair: Pair) -> str:
    takes = pair.takes
    from_s, to_s = plots.ends(takes)
    markup = [page.plot(panel, from_s, to_s) for panel in plots.panels(takes)]
    markup += [
        page.distribution(histogram)
        for histogram in plots.histograms([(take.name, take.result.latencies) for take in takes])
    ]
    words = f"{takes[-1].result.title}: {_word(pair.a)}, then {_word(pair.b)}"
    return page.fold(words, markup or [page.paragraph("Neither run drew anything.")], opened=pair.worse)


def _times(both: Sequence[Pair]) -> list[str]:
    """A table for each distribution."""
    tables: dict[tuple[str, str], list[tuple[str, ...]]] = {}
    for scenario, name, *row in times(both):
        tables.setdefault((scenario, name), []).append(tuple(row))
    markup = []
    for (scenario, name), rows in tables.items():
        markup += [page.paragraph(f"{scenario}: {name}"), page.table(TIMES_HEAD[2:], rows, numbers=(1, 2, 3))]
    return markup or [page.paragraph("Nothing was timed in both.")]


def _environments(a: RunResult, b: RunResult) -> list[tuple[str, str, str]]:
    names = sorted(a.environment.keys() | b.environment.keys())
    return [(name, a.environment.get(name, "not said"), b.environment.get(name, "not said")) for name in names]
