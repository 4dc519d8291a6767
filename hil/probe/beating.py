"""A PLC's heartbeat, with --actuate: how long until its program echoes a beat. The one thing that is written.

A server that answers while its program stands still is the fault that a heartbeat is there for, so the echo's time is
the program's own: its round, and nothing of the network's that a plain read does not show.
"""

import time

from hil.probe.report import Report
from hil.probe.session import Session
from hil.probe.sheet import Sheet
from hil.probe.spread import spread

_BEATS = 20
_ECHO_S = 2.0
_LATE_MS = 500.0  # the agent beats every heartbeat_ms, 500 in the example site


def beat(session: Session, report: Report, sheet: Sheet) -> None:
    """Beats some times and tells how soon each was echoed."""
    places = sheet.heartbeat
    if places is None or places.echo is None:
        report.find(
            "heartbeat", "bad", "its profile has no [heartbeat] with an echo", "nobody would see its program stop"
        )
        return
    session.progress.stage("beating")
    times: list[float] = []
    held = session.registers("holding", places.at, 1)
    value = 0 if held is None else held[places.at]
    for number in range(_BEATS):
        session.progress.step(number, _BEATS)
        value = value % 0xFFFF + 1
        start_ns = time.monotonic_ns()
        answer = session.client.write(places.at, value)
        if answer.code:
            report.find("heartbeat", "bad", f"the write is refused: {answer.words}", "may we write to it?")
            return
        while (echo := session.registers("holding", places.echo, 1)) is None or echo[places.echo] != value:
            if time.monotonic_ns() - start_ns > _ECHO_S * 1e9:
                said = f"a beat was not echoed for {_ECHO_S:g} s"
                report.find("heartbeat", "bad", said, "its program stands still, or copies another register")
                return
        times.append((time.monotonic_ns() - start_ns) / 1e6)
    taken = spread(times)
    if taken is not None:
        report.times["a beat until its echo"] = taken
        report.measured["echo_ms"] = {"p50": taken.p50, "p99": taken.p99, "max": taken.max}
        report.find("heartbeat", "good" if taken.max <= _LATE_MS else "note", f"echoed: {taken.line()}")
