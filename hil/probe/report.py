"""What a probe came to: findings with verdicts, tables, the files it wrote; on one page of text, or as JSON."""

import textwrap
import time
from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct, field

from hil.probe.spread import Spread

Verdict = Literal["good", "note", "bad"]
_MARK = {"good": " ok ", "note": "note", "bad": " BAD"}
_WIDTH = 110
_NAME = 18


class Finding(Struct, frozen=True):
    """One thing that was looked at."""

    name: str
    verdict: Verdict
    said: str
    mend: str = ""


class Table(Struct, frozen=True):
    """Rows under a heading."""

    heading: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


class Report(Struct):
    """Of one device."""

    kind: str
    place: str
    device: str = ""  # what it says that it is
    taken: str = field(default_factory=lambda: time.strftime("%Y-%m-%d %H:%M:%S%z"))
    seconds: float = 0.0
    findings: list[Finding] = []
    times: dict[str, Spread] = {}
    tables: list[Table] = []
    measured: dict[str, Any] = {}  # figures by name, for programs
    files: list[str] = []

    def find(self, name: str, verdict: Verdict, said: str, mend: str = "") -> None:
        """Adds a finding."""
        self.findings.append(Finding(name, verdict, said, mend))

    @property
    def bad(self) -> int:
        """How many findings are bad."""
        return sum(finding.verdict == "bad" for finding in self.findings)


def text(report: Report) -> str:
    """The page."""
    lines = [f"{report.kind} at {report.place}", f"{report.device or 'it does not say what it is'}"]
    lines += [f"probed {report.taken}, in {report.seconds:.0f} s", ""]
    for finding in report.findings:
        said = f"{finding.said}; {finding.mend}" if finding.mend else finding.said
        first, *rest = textwrap.wrap(said, _WIDTH - _NAME - 6) or [""]
        lines.append(f"{_MARK[finding.verdict]}  {finding.name:<{_NAME}}{first}")
        lines += [" " * (_NAME + 6) + line for line in rest]
    for name, spread in report.times.items():
        lines += ["", f"{name}: {spread.line()}", *(f"    {bar}" for bar in spread.bars())]
    for table in report.tables:
        lines += ["", table.heading, *_aligned(table)]
    counts = {verdict: sum(one.verdict == verdict for one in report.findings) for verdict in _MARK}
    lines += ["", f"{counts['good']} ok, {counts['note']} to note, {counts['bad']} bad"]
    lines += [f"written: {file}" for file in report.files]
    return "\n".join(lines) + "\n"


def _aligned(table: Table) -> list[str]:
    rows = [table.columns, *table.rows]
    widths = [max(len(row[at]) for row in rows) for at in range(len(table.columns))]
    return [
        "    " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
