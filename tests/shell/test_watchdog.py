"""The watchdog is fed by control alone, and what it sends is what systemd understands."""

import asyncio

from agent.shell.lateness import Lateness
from agent.shell.watchdog import ServiceManager, feed, measure_lateness
from tests.shell.virtual import MS, Since, run
from tests.sim.clock import VirtualClock


class Heard(ServiceManager):
    """A service manager that writes down what it was told, and when."""

    def __init__(self, clock: VirtualClock, timeout_s: float | None) -> None:
        super().__init__(None, timeout_s)
        self._since = Since(clock)
        self.heard: list[tuple[int, str]] = []

    def tell(self, *lines: str) -> None:
        self.heard.append((round(self._since.ms()), *lines))  # type: ignore[arg-type]


class Control:
    """Beats ten times a second until it hangs."""

    def __init__(self) -> None:
        self.count = 0
        self.hangs = False

    async def run(self) -> None:
        while True:
            await asyncio.sleep(0.1)
            self.count += not self.hangs


def test_it_is_fed_every_third_of_its_time_while_control_advances() -> None:
    async def story(clock: VirtualClock) -> None:
        manager, control = Heard(clock, 3.0), Control()
        tasks = [asyncio.ensure_future(control.run()), asyncio.ensure_future(feed(manager, lambda: control.count))]

        await asyncio.sleep(4.5)

        assert manager.heard == [(at, "WATCHDOG=1") for at in (0, 1_000, 2_000, 3_000, 4_000)]
        assert len(tasks) == 2

    run(story)


def test_it_starves_when_control_hangs_although_the_loop_runs() -> None:
    async def story(clock: VirtualClock) -> None:
        manager, control = Heard(clock, 3.0), Control()
        tasks = [asyncio.ensure_future(control.run()), asyncio.ensure_future(feed(manager, lambda: control.count))]
        await asyncio.sleep(2.5)
        control.hangs = True

        await asyncio.sleep(60)

        assert manager.heard[-1] == (3_000, "WATCHDOG=1"), "for what was done before the hang, and never again"
        assert len(tasks) == 2

    run(story)


def test_nobody_is_fed_when_nobody_watches() -> None:
    async def story(clock: VirtualClock) -> None:
        manager = Heard(clock, None)

        await feed(manager, lambda: 0)

        assert manager.heard == []

    run(story)


def test_the_environment_of_another_process_is_not_ours() -> None:
    environment = {"NOTIFY_SOCKET": "/run/systemd/notify", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "77"}

    ours = ServiceManager.of(environment, 77)
    child = ServiceManager.of(environment, 78)
    nobody = ServiceManager.of({}, 77)

    assert (ours.timeout_s, child.timeout_s, nobody.timeout_s) == (3.0, None, None)
    nobody.ready("nobody hears it")
    ServiceManager("/nowhere/at/all").stopping()


def test_the_loops_lateness_is_what_a_blocked_loop_makes_of_it() -> None:
    async def story(clock: VirtualClock) -> None:
        lateness = Lateness()
        task = asyncio.ensure_future(measure_lateness(lateness, clock))
        await asyncio.sleep(1.05)
        on_time = lateness.percentile_ns(99)

        clock._loop.now_ns += 90 * MS  # somebody computes and lets nobody else run
        await asyncio.sleep(1)

        assert on_time < MS / 1_000
        assert round(lateness.worst_ns / MS) == 40
        assert not task.done()

    run(story)
