"""The watchdog: the service manager restarts us when control stops, and status shows how late the loop runs.

systemd starts the unit with NOTIFY_SOCKET (and, with WatchdogSec=, WATCHDOG_USEC) in its environment and waits for
datagrams of KEY=value lines there: sd_notify(3), sd_watchdog_enabled(3). READY=1 says that the protective path is live,
WATCHDOG=1 feeds, STOPPING=1 says that the end is meant. Without a service manager nothing is sent. A library for this
(`sdnotify`, `systemd-python`) would add nothing but a dependency (reference: uplink-and-packaging.md 6).

It is fed every third of the watchdog's time and only if the control loop has advanced since: `beats` is the board's
count. Fed from a thread, or from a task of its own, it would vouch for a loop that polls and publishes and controls
nothing. Measured there: a blocked loop is killed 2.2 s after it stopped with WatchdogSec=3, and back 4.6 s after.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping
from typing import NoReturn

from agent.shell.clock import Clock
from agent.shell.lateness import Lateness

_FEEDS_PER_TIMEOUT = 3
_TICK_S = 0.1  # how often the loop's lateness is taken; the p99 of 1,000 is that of the newest 100 s
_NS_PER_S = 1_000_000_000


class ServiceManager:
    """Tells the service manager how we are; nobody is told when there is none."""

    def __init__(self, address: str | None, timeout_s: float | None = None) -> None:
        self._address = address
        self.timeout_s = timeout_s  # it restarts us when it is not fed for this long; None: it does not

    @classmethod
    def of(cls, environment: Mapping[str, str], pid: int) -> "ServiceManager":
        """The one that this process was started by."""
        microseconds = environment.get("WATCHDOG_USEC")
        ours = environment.get("WATCHDOG_PID", str(pid)) == str(pid)
        timeout_s = int(microseconds) / 1e6 if microseconds and ours else None
        return cls(environment.get("NOTIFY_SOCKET"), timeout_s)

    def tell(self, *lines: str) -> None:
        """Send these lines as one message. One that cannot be taken is lost: the next comes soon, or a restart."""
        if not self._address:
            return
        abstract = self._address.startswith("@")
        path = "\0" + self._address[1:] if abstract else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
            try:
                sender.sendto("\n".join(lines).encode(), path)
            except OSError:
                return

    def ready(self, status: str) -> None:
        """The protective path is live."""
        self.tell("READY=1", f"STATUS={status}")

    def stopping(self) -> None:
        """The end is meant."""
        self.tell("STOPPING=1")


async def feed(manager: ServiceManager, beats: Callable[[], int]) -> None:
    """Feed the watchdog for as long as control advances; ends at once when nobody watches."""
    if manager.timeout_s is None:
        return
    fed_at = beats()
    manager.tell("WATCHDOG=1")
    while True:
        await asyncio.sleep(manager.timeout_s / _FEEDS_PER_TIMEOUT)
        now_at = beats()
        if now_at != fed_at:
            manager.tell("WATCHDOG=1")
            fed_at = now_at


async def measure_lateness(lateness: Lateness, clock: Clock) -> NoReturn:
    """Note how late a timer of the loop fires, for as long as it runs: what every poll and every answer waits too."""
    while True:
        due_ns = clock.monotonic_ns() + round(_TICK_S * _NS_PER_S)
        await asyncio.sleep(_TICK_S)
        lateness.add(clock.monotonic_ns() - due_ns)
