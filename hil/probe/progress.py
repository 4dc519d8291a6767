"""What the probe is doing now, on one line of standard error; nothing where that is no terminal's business."""

import sys
import time

_EVERY_S = 0.2


class Progress:
    """One line that is written over; off: says nothing."""

    def __init__(self, *, on: bool) -> None:
        self._on = on
        self._terminal = sys.stderr.isatty()
        self._last_s = 0.0
        self._stage = ""

    def stage(self, what: str) -> None:
        """Something new begins."""
        self._stage = what
        self._last_s = time.monotonic()
        self._write(what)

    def step(self, done: float, of: float) -> None:
        """So much of it is done; shown a few times a second, and to terminals alone."""
        now_s = time.monotonic()
        if self._terminal and now_s - self._last_s >= _EVERY_S:
            self._last_s = now_s
            self._write(f"{self._stage} {100 * min(1.0, done / of):.0f} %")

    def end(self) -> None:
        """The line is done with."""
        if self._on and self._terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def _write(self, words: str) -> None:
        if not self._on:
            return
        if self._terminal:
            print(f"\r\x1b[K{words} ...", end="", file=sys.stderr, flush=True)
        else:
            print(f"{words} ...", file=sys.stderr, flush=True)
