"""Waiting for something to be so, with a limit; never for time to have passed."""

import time
from collections.abc import Callable
from typing import Any

WITHIN_S = 60.0  # a safety net, so that a loaded machine is not taken for a fault; never what is asserted
_LOOK_S = 0.01


def eventually(what: str, seen: Callable[[], Any], within_s: float = WITHIN_S) -> Any:
    """What `seen` gives as soon as it is true; AssertionError names what never came."""
    end_s = time.monotonic() + within_s
    while True:
        found = seen()
        if found:
            return found
        if time.monotonic() >= end_s:
            raise AssertionError(f"not within {within_s:g} s: {what}")
        time.sleep(_LOOK_S)
