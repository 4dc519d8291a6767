"""The demo's report, on the page that every report of the rig shares."""

from collections.abc import Sequence
from datetime import UTC, datetime

from hil import page
from hil.demo import figures
from hil.demo.findings import Findings
from hil.demo.record import Course
from hil.demo.stamps import Verdict, written
from hil.demo.watch import Sample
from hil.drawing import Mark
from hil.page import Check
from hil.plot import Line, Panel, Span
from hil.recording import load_toledo


def write_report(
    course: Course, findings: Findings, samples: Sequence[Sample], limits: Sequence[tuple[int, float | None]]
) -> str:
    """The whole page."""
    end_s = ((course.ended_ns or course.started_ns) - course.started_ns) / 1e9
    failed = sum(not verdict.ok for verdict in findings.verdicts)
    outcome = f"{failed} of {len(findings.verdicts)} steps failed" if failed else "All steps as they must be"
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    times = [(measured.what, written(measured.ns), measured.since) for measured in findings.times]
    return page.page(
        "Ballast demo",
        [
            page.heading(_TITLE, not failed, outcome, [f"Made {made} by `make demo`. {_HOW}"]),
            "<h2>Steps</h2>",
            page.check_list([_check(verdict) for verdict in findings.verdicts]),
            "<h2>What happened</h2>",
            page.paragraph(_HAPPENED),
            *[page.plot(panel, 0.0, max(1.0, end_s)) for panel in _panels(course, findings, samples, limits)],
            "<h2>Measured times</h2>",
            page.paragraph(_TIMES),
            page.table(("what", "after", "since"), times, numbers=(1,)),
            page.paragraph(_NOT_PROTECTION),
        ],
    )


def _panels(
    course: Course, findings: Findings, samples: Sequence[Sample], limits: Sequence[tuple[int, float | None]]
) -> list[Panel]:
    """Frequency, power against limit, loads on; one time axis, in seconds since the agent was started."""

    def at(ns: int) -> float:
        return (ns - course.started_ns) / 1e9

    seen = [refresh for refresh in findings.refreshes if refresh.changed_ns >= course.started_ns]
    end_s = at(course.ended_ns or course.started_ns)
    spans = _spans(course, end_s)
    marks = [
        Mark(at(ns), name)
        for ns, name in (
            (findings.first_off_ns, "shed"),
            (findings.released_ns, f"above {figures.RELEASE_ABOVE_HZ:g} Hz"),
            (course.sent_ns, "signed limit"),
            (findings.lapse_ns, "lease ends"),
            (findings.tank_told_ns, "tank shed"),
            (findings.opened_ns, "contactor opens"),
            (findings.closed_ns, "closes"),
        )
        if ns is not None
    ]
    recorded: list[tuple[float, float | None]] = []
    if course.played_ns is not None:
        played_s = at(course.played_ns)
        recorded = [(played_s + sample.at_s, sample.hertz) for sample in load_toledo(figures.FIRST, figures.LAST)]
    held = [(at(ns), kw) for ns, kw in limits]
    if held:
        held.append((end_s, held[-1][1]))
    return [
        Panel(
            "Frequency",
            "Hz",
            [
                Line(
                    "the meter's register", [(at(refresh.changed_ns), refresh.hertz) for refresh in seen], stepped=True
                ),
                Line("threshold", [(0.0, figures.SHED_BELOW_HZ), (end_s, figures.SHED_BELOW_HZ)]),
                Line("recorded sample", recorded, dots=True),
            ],
            marks,
            spans,
            height=180,
            high=figures.NOMINAL_HZ + 0.1,
        ),
        Panel(
            "Net power at the connection",
            "kW",
            [
                Line("meter", [(at(refresh.changed_ns), refresh.watts / 1000) for refresh in seen], stepped=True),
                Line("limit in force", held, stepped=True),
            ],
            marks,
            spans,
            height=180,
            low=0.0,
        ),
        Panel(
            "Loads on",
            f"of {figures.MINERS}",
            [Line("miners hashing", [(at(sample.at_ns), float(sample.on)) for sample in samples], stepped=True)],
            marks,
            spans,
            height=110,
            low=0.0,
            high=float(figures.MINERS),
        ),
        Panel(
            "Tank and GPUs",
            "l/min, W",
            [
                Line("condenser flow, l/min", [(at(sample.at_ns), sample.flow_lpm) for sample in samples]),
                Line(
                    "lowest GPU limit, W", [(at(sample.at_ns), sample.gpu_limit_w) for sample in samples], stepped=True
                ),
            ],
            marks,
            spans,
            height=110,
            low=0.0,
        ),
    ]


def _spans(course: Course, end_s: float) -> list[Span]:
    """What of the time is simulated is shaded."""
    if course.played_ns is None:
        return []
    recorded_s = (course.played_ns - course.started_ns) / 1e9 + course.recorded_s
    return [Span(recorded_s, end_s, "simulated grid")]


def _check(verdict: Verdict) -> Check:
    return page.check(verdict.ok, verdict.step, verdict.detail, "simulated grid" if verdict.simulated else "")


_TITLE = f"A site curtails: {figures.MINERS} miners, {figures.GPUS} GPUs, a tank, a contactor, one collapse"
_HOW = (
    "The agent ran as its own process and spoke Modbus TCP, the miners' API and MQTT over real sockets to stand-ins "
    "that share no code with it."
)
_HAPPENED = (
    "Seconds since the agent was started. Until the shaded part the frequency is the recording of the Iberian "
    f"blackout, Toledo, 2025-04-28 {figures.FIRST} to {figures.LAST} CEST (LEMUR, Universidad de Oviedo; MIT), played "
    "in real time: the dots are its samples, 2 s apart, and the line between them is drawn. Before it the grid is held "
    f"at {figures.NOMINAL_HZ:g} Hz. Everything shaded is simulated: the recovery was drawn and never happened. "
    f"{figures.TANK_MINERS} of the miners and {figures.GPUS} GPUs (a stand-in for their driver's library) are cooled "
    f"by a tank that boils as its heat says; {figures.FED_MINERS} others hang behind a contactor."
)
_TIMES = (
    "From stamps where the bytes were: at the meter when its register changed, at each miner when the last byte of its "
    "verb was read, at the demo's own MQTT client when a record arrived, if its signature verified. The meter renews "
    f"its values every {figures.REFRESH_MS} ms. An Avalon is told a time some seconds ahead at which it stops; then "
    "its watts fall over seconds more."
)
_NOT_PROTECTION = (
    "Ballast is control, not protection: relays, breakers, hard-wired stops and PLC interlocks must suffice alone."
)
