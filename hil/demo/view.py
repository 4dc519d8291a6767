"""What a person sees while the demo runs: a live picture in a terminal, plain lines anywhere else."""

import sys
import time
from collections import deque

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hil.demo import figures
from hil.demo.findings import Findings
from hil.demo.stamps import Verdict, written
from hil.demo.watch import Watch

_PLAIN_EVERY_NS = 5_000_000_000
_LINES_SHOWN = 10


class View:
    """Shows phase, figures and the newest records."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
        self._started_ns = time.monotonic_ns()
        self._lines: deque[str] = deque(maxlen=_LINES_SHOWN)
        self._picture: Live | None = None
        self._plain_ns = 0

    def __enter__(self) -> "View":
        if self._console.is_terminal:
            self._picture = Live(console=self._console, refresh_per_second=5, transient=True)
            self._picture.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._picture is not None:
            self._picture.stop()

    def say(self, line: str) -> None:
        """One thing that happened."""
        stamped = f"{self._elapsed_s():6.1f} s  {line}"
        if self._picture is None:
            self._console.print(stamped, markup=False)
        else:
            self._lines.append(stamped)

    def show(self, phase: str, watch: Watch) -> None:
        """The state of things, five times a second; without a terminal every 5 s."""
        newest = watch.newest()
        if newest is None:
            return
        limit_kw = watch.limits[-1][1] if watch.limits else None
        hertz = "no number" if newest.hertz is None else f"{newest.hertz:.3f} Hz"
        power = f"{newest.watts / 1000:.1f} kW, limit {'none' if limit_kw is None else f'{limit_kw:.1f} kW'}"
        if self._picture is None:
            if time.monotonic_ns() - self._plain_ns > _PLAIN_EVERY_NS:
                self._plain_ns = time.monotonic_ns()
                self.say(f"  {hertz}   {power}   {newest.on} of {figures.MINERS} on   {watch.mode}")
            return
        low = newest.hertz is None or newest.hertz < figures.SHED_BELOW_HZ
        table = Table.grid(padding=(0, 2))
        table.add_row("frequency", Text(hertz, style="bold red" if low else "green"))
        table.add_row("net power", Text(power))
        table.add_row("", ProgressBar(total=figures.LIMIT_KW, completed=newest.watts / 1000, width=figures.MINERS))
        table.add_row("loads on", Text(f"{newest.on} of {figures.MINERS}"))
        table.add_row("", Text("■" * newest.on, style="green") + Text("·" * (figures.MINERS - newest.on), style="dim"))
        table.add_row("mode", watch.mode or "-")
        lines = (Text(line, overflow="ellipsis", no_wrap=True, style="dim") for line in self._lines)
        style = "yellow" if "simulated" in phase.lower() else "cyan"
        self._picture.update(
            Panel(Group(table, Text(), *lines), title=f"{self._elapsed_s():.0f} s  {phase}", border_style=style)
        )

    def conclude(self, findings: Findings, report: str) -> None:
        """The table of measured times, the verdicts, and where the report is."""
        times = Table(title="Measured times", title_justify="left")
        times.add_column("what")
        times.add_column("after", justify="right")
        times.add_column("since")
        for measured in findings.times:
            times.add_row(measured.what, written(measured.ns), measured.since)
        self._console.print(times)
        for verdict in findings.verdicts:
            self._conclude(verdict)
        self._console.print(f"report: {report}", markup=False)

    def _conclude(self, verdict: Verdict) -> None:
        mark = Text("ok    ", style="green") if verdict.ok else Text("FAILED", style="bold red")
        simulated = " (simulated grid)" if verdict.simulated else ""
        self._console.print(Text.assemble(mark, f" {verdict.step}{simulated}: ", (verdict.detail, "dim")))

    def _elapsed_s(self) -> float:
        return (time.monotonic_ns() - self._started_ns) / 1e9
