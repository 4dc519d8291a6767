"""What a soak shows: memory, descriptors, latency and disk against time, with its verdicts on one page.

A *sample* is taken from outside at an interval of the soak's choice. Its latency is that of the reactions since the
sample before; None where there was none, and the line goes on to the next that there was. Faults are drawn as how many
were in force at once, and counted by name.
"""

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from hil import page
from hil.page import Check
from hil.plot import Line, Panel, Span
from hil.results import Verdict

_MIB = 1024 * 1024


class SoakSample(Struct, frozen=True, kw_only=True):
    """One program at one moment of a soak."""

    at_s: float  # since the soak began
    program: str = "agent"
    rss_bytes: int
    descriptors: int
    disk_bytes: int
    latency_p50_ms: float | None = None
    latency_p99_ms: float | None = None


def soak_page(
    samples: Sequence[SoakSample], *, title: str, checks: Sequence[Check], faults: Sequence[Span] = (), note: str
) -> str:
    """The whole page: `checks` say what must hold of the soak (`hil.page.check`), `note` how it was run."""
    end_s = max([sample.at_s for sample in samples], default=0.0) or 1.0
    failed = sum(one.verdict is not Verdict.PASSED for one in checks)
    outcome = f"{failed} of {len(checks)} do not hold" if failed else "Everything holds"
    counted = sorted(Counter(fault.name for fault in faults).items())
    return page.page(
        title,
        [
            page.heading(title, not failed, outcome, [note]),
            page.check_list(checks),
            "<h2>Against time</h2>",
            *[page.plot(panel, 0.0, end_s) for panel in _panels(samples, faults, end_s)],
            "<h2>Faults</h2>",
            page.table(("fault", "times"), [(name, str(times)) for name, times in counted], numbers=(1,)),
        ],
    )


def _panels(samples: Sequence[SoakSample], faults: Sequence[Span], end_s: float) -> list[Panel]:
    programs: dict[str, list[SoakSample]] = {}
    for sample in samples:
        programs.setdefault(sample.program, []).append(sample)
    memory = [Line(name, [(one.at_s, one.rss_bytes / _MIB) for one in seen]) for name, seen in programs.items()]
    open_now = [
        Line(name, [(one.at_s, float(one.descriptors)) for one in seen], stepped=True)
        for name, seen in programs.items()
    ]
    disk = [Line(name, [(one.at_s, one.disk_bytes / _MIB) for one in seen]) for name, seen in programs.items()]
    p50 = [(one.at_s, one.latency_p50_ms) for one in samples if one.latency_p50_ms is not None]
    p99 = [(one.at_s, one.latency_p99_ms) for one in samples if one.latency_p99_ms is not None]
    return [
        Panel("Resident memory", "MiB", memory, low=0.0),
        Panel("Open descriptors", "number", open_now, low=0.0),
        Panel("Reaction", "ms", [Line("p50", p50), Line("p99", p99)], low=0.0),
        Panel("Disk used", "MiB", disk, low=0.0),
        Panel(
            "Faults in force", "number", [Line("faults", _in_force(faults, end_s), stepped=True)], height=90, low=0.0
        ),
    ]


def _in_force(faults: Sequence[Span], end_s: float) -> list[tuple[float, float | None]]:
    """How many faults there were at once, wherever that changed."""
    turns = Counter({0.0: 0, end_s: 0})
    for fault in faults:
        turns[max(0.0, fault.from_s)] += 1
        turns[min(end_s, fault.to_s)] -= 1
    number, points = 0, list[tuple[float, float | None]]()
    for at_s in sorted(turns):
        number += turns[at_s]
        points.append((at_s, float(number)))
    return points
