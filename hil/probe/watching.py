"""An independent meter, read all the time in a thread of its own while something else is being switched.

A reading counts from when it was first seen: the meter itself may have had it up to one refresh before, and the times
that are told from it say so (`spacing_s` of a move).
"""

import threading
import time
from types import TracebackType
from typing import Self

from hil.probe.dump import Dump
from hil.probe.failures import Failure, Unusable
from hil.probe.identify import identify
from hil.probe.place import Place
from hil.probe.progress import Progress
from hil.probe.report import Report
from hil.probe.session import Session
from hil.probe.sheet import load_sheet

_SPACING_S = 0.02
_PAUSE_S = 0.5  # after a failure, before the next attempt


class MeterWatch:
    """`series` grows until the `with` block ends."""

    def __init__(self, place: Place, unit: int, profile: str | None, dump: Dump, report: Report) -> None:
        self.series: list[tuple[int, float]] = []
        self.failures = 0
        sheet = None if profile is None else load_sheet(profile)
        self._session = Session(place, unit, dump, Progress(on=False), 1.0)
        known = identify(self._session, report, sheet, None)
        power = [item for item in known.items if item.name == "power_w"]
        if not power:
            raise Unusable(f"{known.sheet.name} has no power_w", "name another meter for --at-meter")
        self._power = power[0]
        self._known = known
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="at-meter", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._done.set()
        self._thread.join()
        self._session.close()

    def _run(self) -> None:
        item, table, order = self._power, self._known.reading.table, self._known.reading.order
        previous: float | None = None
        while not self._done.wait(_SPACING_S):
            try:
                answer = self._session.try_read(table, item.first, item.end - item.first)
            except Failure:
                answer = None
            if answer is None:
                self.failures += 1
                self._done.wait(_PAUSE_S)
                continue
            value = item.value(dict(enumerate(answer.registers(), item.first)), order)
            if value is not None and value != previous:
                self.series.append((answer.taken_ns, value))
                previous = value
            elif value is not None and self.series:
                self._repeat(value)

    def _repeat(self, value: float) -> None:
        """The same value again: told once more now and then, so that a steady load has readings too."""
        if time.monotonic_ns() - self.series[-1][0] > 1e9:
            self.series.append((time.monotonic_ns(), value))
