"""The demo's report: one HTML file that needs nothing else, readable on a phone and in both colour schemes."""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from hil import plot
from hil.demo import figures
from hil.demo.findings import Findings
from hil.demo.record import Course
from hil.demo.stamps import Measured, Verdict, written
from hil.demo.watch import Sample
from hil.plot import Line, Mark, Panel, Span
from hil.recording import load_toledo


def write_report(
    course: Course, findings: Findings, samples: Sequence[Sample], limits: Sequence[tuple[int, float | None]]
) -> str:
    """The whole page."""
    end_s = ((course.ended_ns or course.started_ns) - course.started_ns) / 1e9
    plots = [plot.draw(panel, 0.0, max(1.0, end_s)) for panel in _panels(course, findings, samples, limits)]
    failed = [verdict for verdict in findings.verdicts if not verdict.ok]
    outcome = "All steps as they must be" if not failed else f"{len(failed)} of {len(findings.verdicts)} steps failed"
    return _PAGE.format(
        style=_STYLE + plot.STYLE,
        outcome=escape(outcome),
        outcome_class="bad" if failed else "good",
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        f=figures,
        verdicts="\n".join(_verdict(verdict) for verdict in findings.verdicts),
        plots="\n".join(f'<div class="scroll">{drawing}</div>' for drawing in plots),
        times="\n".join(_time(measured) for measured in findings.times),
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
            height=280,
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
            height=280,
            low=0.0,
        ),
        Panel(
            "Loads on",
            f"of {figures.MINERS}",
            [Line("miners hashing", [(at(sample.at_ns), float(sample.on)) for sample in samples], stepped=True)],
            marks,
            spans,
            height=200,
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
            height=200,
            low=0.0,
        ),
    ]


def _spans(course: Course, end_s: float) -> list[Span]:
    """What of the time is simulated is shaded."""
    if course.played_ns is None:
        return []
    recorded_s = (course.played_ns - course.started_ns) / 1e9 + course.recorded_s
    return [Span(recorded_s, end_s, "simulated grid")]


def _verdict(verdict: Verdict) -> str:
    tag = ' <span class="tag">simulated grid</span>' if verdict.simulated else ""
    mark = "good" if verdict.ok else "bad"
    word = "ok" if verdict.ok else "failed"
    return (
        f'<li><span class="mark {mark}">{word}</span><div>{escape(verdict.step)}{tag}'
        f'<p class="quiet">{escape(verdict.detail)}</p></div></li>'
    )


def _time(measured: Measured) -> str:
    return (
        f'<tr><td>{escape(measured.what)}</td><td class="number">{escape(written(measured.ns))}</td>'
        f"<td>{escape(measured.since)}</td></tr>"
    )


_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1a2229; --quiet: #5b6770; --grid: #e3e8ec; --span: #f3efe2;
  --c1: #0b62a8; --c2: #c2410c; --c3: #3f7d20; --good: #256b2b; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --paper: #12181d; --ink: #e8edf1; --quiet: #9aa7b1; --grid: #27323a;
  --span: #23221a; --c1: #6db3f2; --c2: #ff9b6a; --c3: #93d36b; --good: #7ccf83; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 3rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .3rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; }
p { margin: .3rem 0; } .quiet { color: var(--quiet); font-size: .9rem; }
.outcome { font-weight: 600; } .good { color: var(--good); } .bad { color: var(--bad); }
ol { list-style: none; padding: 0; margin: 0; } li { display: flex; gap: .8rem; padding: .45rem 0;
  border-top: 1px solid var(--grid); } .mark { flex: 0 0 3.6rem; font-weight: 600; }
.tag { background: var(--span); border-radius: .3rem; padding: 0 .4rem; font-size: .8rem; white-space: nowrap; }
.scroll { overflow-x: auto; margin: .5rem 0 1.2rem; } .scroll svg { min-width: 35rem; }
table { border-collapse: collapse; width: 100%; font-size: .95rem; }
td, th { text-align: left; padding: .35rem .6rem .35rem 0; border-top: 1px solid var(--grid); vertical-align: top; }
th { color: var(--quiet); font-weight: 600; } .number { text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Ballast demo</title>
<style>{style}</style>
</head>
<body>
<h1>A site curtails: {f.MINERS} miners, {f.GPUS} GPUs, a tank, a contactor, one collapse</h1>
<p class="outcome {outcome_class}">{outcome}</p>
<p class="quiet">Made {made} by <code>make demo</code>. The agent ran as its own process and spoke Modbus TCP, the
miners' API and MQTT over real sockets to stand-ins that share no code with it.</p>
<h2>Steps</h2>
<ol>
{verdicts}
</ol>
<h2>What happened</h2>
<p class="quiet">Seconds since the agent was started. Until the shaded part the frequency is the recording of the
Iberian blackout, Toledo, 2025-04-28 {f.FIRST} to {f.LAST} CEST (LEMUR, Universidad de Oviedo; MIT), played in real
time: the dots are its samples, 2 s apart, and the line between them is drawn. Before it the grid is held at
{f.NOMINAL_HZ:g} Hz. Everything shaded is simulated: the recovery was drawn and never happened. {f.TANK_MINERS} of
the miners and {f.GPUS} GPUs (a stand-in for their driver's library) are cooled by a tank that boils as its heat says;
{f.FED_MINERS} others hang behind a contactor.</p>
{plots}
<h2>Measured times</h2>
<p class="quiet">From stamps where the bytes were: at the meter when its register changed, at each miner when the last
byte of its verb was read, at the demo's own MQTT client when a record arrived, if its signature verified. The meter
renews its values every {f.REFRESH_MS} ms. An Avalon is told a time some seconds ahead at which it stops; then its watts
fall over seconds more.</p>
<div class="scroll"><table>
<tr><th>what</th><th class="number">after</th><th>since</th></tr>
{times}
</table></div>
<p class="quiet">Ballast is control, not protection: relays, breakers, hard-wired stops and PLC interlocks must suffice
alone.</p>
</body>
</html>
"""
