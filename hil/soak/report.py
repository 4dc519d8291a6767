"""What a soak found: as text, as JSON, and as a page with memory, descriptors, latency and disk against time."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from hil.page import check
from hil.plot import Span
from hil.report.soak import SoakSample, soak_page
from hil.results import percentile
from hil.soak.growth import Growth, growths, latencies
from hil.soak.judges import Judged, judge_all
from hil.soak.starved import NAME, starved
from hil.soak.trace import S, Trace

_TOLD = 5  # of what one judge found
_WINDOW_NS = 60 * S  # latencies of so long before a sample are its latencies


class Found(msgspec.Struct):
    """All of it."""

    trace: Trace
    judged: Sequence[Judged]
    growths: Sequence[Growth]

    @property
    def ok(self) -> bool:
        """Whether everything held."""
        return not any(one.broken for one in self.judged) and not any(one.grows for one in self.growths)


def judge(trace: Trace) -> Found:
    """Every judge's verdict on a trace, and what grew."""
    trace.faults = sorted([*trace.faults, *starved(trace)], key=lambda fault: fault.from_ns)
    judged = judge_all(trace)
    return Found(trace, judged, growths(trace, judged))


def as_text(found: Found) -> str:
    """For a terminal."""
    trace = found.trace
    lines = [
        f"{(trace.to_ns - trace.from_ns) / S / 60:.1f} min, seed {trace.seed}: {len(trace.faults)} faults, "
        f"{len(trace.verbs)} verbs, {len(trace.records) + trace.telemetry} records, "
        f"{len(trace.lives)} lives of the agent",
        f"{'judge':36}{'judged':>8}{'broken':>8}",
    ]
    for one in found.judged:
        lines.append(f"{one.judge:36}{one.count:8}{len(one.broken):8}  {_times(one)}".rstrip())
        lines += [f"    at {(broken.at_ns - trace.from_ns) / S:8.1f} s: {broken.what}" for broken in one.broken[:_TOLD]]
    still = [fault for fault in trace.faults if fault.name == NAME]
    if still:
        lines.append(f"starved {len(still)} times, {sum(one.to_ns - one.from_ns for one in still) / S:.0f} s in all")
    lines += [f"{'GROWS  ' if one.grows else ''}{one}" for one in found.growths]
    return "\n".join(lines)


def as_json(found: Found) -> dict[str, Any]:
    """For a machine."""
    trace = found.trace
    return {
        "ok": found.ok,
        "seed": trace.seed,
        "seconds": (trace.to_ns - trace.from_ns) / S,
        "faults": dict(Counter(fault.name for fault in trace.faults)),
        "verbs": len(trace.verbs),
        "records": len(trace.records) + trace.telemetry,
        "lives": len(trace.lives),
        "judges": [
            {
                "judge": one.judge,
                "judged": one.count,
                "broken": [
                    {"at_s": round((broken.at_ns - trace.from_ns) / S, 3), "what": broken.what} for broken in one.broken
                ],
                "times_ms": [round(ms, 1) for _, ms in one.times_ms],
            }
            for one in found.judged
        ],
        "growth": [msgspec.to_builtins(one) for one in found.growths],
    }


def as_page(found: Found) -> str:
    """For a browser."""
    trace = found.trace
    checks = [
        check(not one.broken, one.judge, f"{one.count} judged, {len(one.broken)} broken. {_times(one)}".strip())
        for one in found.judged
    ]
    checks += [check(not one.grows, one.what, str(one)) for one in found.growths]
    faults = [
        Span((fault.from_ns - trace.from_ns) / S, (fault.to_ns - trace.from_ns) / S, fault.name)
        for fault in trace.faults
    ]
    minutes = (trace.to_ns - trace.from_ns) / S / 60
    return soak_page(
        _samples(found),
        title=f"A soak of {minutes:.0f} minutes",
        checks=checks,
        faults=faults,
        note=f"The shipped example site on stand-ins, {len(trace.rated_w)} miners; faults from seed {trace.seed}.",
    )


def write(found: Found, out: Path) -> None:
    """soak.txt, soak.json and soak.html."""
    (out / "soak.txt").write_text(as_text(found) + "\n", encoding="utf-8")
    (out / "soak.json").write_bytes(msgspec.json.format(msgspec.json.encode(as_json(found))))
    (out / "soak.html").write_text(as_page(found), encoding="utf-8")


def _times(one: Judged) -> str:
    ms = [ms for _, ms in one.times_ms]
    if not ms:
        return ""
    p50, p99 = percentile(ms, 0.5), percentile(ms, 0.99)
    return f"told within p50 {p50:.0f} ms, p99 {p99:.0f} ms, of {len(ms)}"


def _samples(found: Found) -> list[SoakSample]:
    trace, times = found.trace, sorted(latencies(found.judged))
    samples: list[SoakSample] = []
    for one in trace.samples:
        ms = [ms for at_ns, ms in times if one.program == "agent" and one.at_ns - _WINDOW_NS <= at_ns <= one.at_ns]
        samples.append(
            SoakSample(
                at_s=(one.at_ns - trace.from_ns) / S,
                program=one.program,
                rss_bytes=one.rss_bytes,
                descriptors=one.descriptors,
                disk_bytes=one.state_bytes,
                latency_p50_ms=percentile(ms, 0.5),
                latency_p99_ms=percentile(ms, 0.99),
            )
        )
    return samples
