"""Our own volleys in trouble against our own without, in one run: what is wrong elsewhere must not slow the telling.

hung    5 % of the miners take connections and never read, telemetry flows, and the broker is dead; timed until the last
        of the others is told
gpus    `ballast gpud`: its worker killed, its driver hung, a GPU lost, the library gone
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil

from hil.bench.figures import HEADING, Verdict, Volley, complete, near, row
from hil.bench.programs import Fleet
from hil.bench.rounds import of_ours, settle, volley
from hil.bench.sites import WATTS
from hil.bench.subject import SETTLE_S_MAX, START_S_MAX, Subject
from hil.gpu.fake import FakeDriver
from hil.under_test import Gpud

HUNG_SHARE = 0.05
GPUS = 8
POLL_S = 10


def hung(folder: Path, miners: int, rounds: int) -> list[Verdict]:
    """Half of the rounds without, then half with trouble."""
    print(f"\nhung: {miners} miners (avalon)", flush=True)
    lost = round(miners * HUNG_SHARE)
    with Fleet(folder, miners, WATTS) as fleet, Subject(folder / "hung", fleet, POLL_S) as subject:
        subject.wait_armed(1.0, START_S_MAX)
        well = [of_ours(volley, fleet, subject) for _ in range(rounds)]
        print(f"{HEADING}\n{row('well', well)}", flush=True)
        fleet.hang(lost)
        subject.broker.stop()
        sick: list[Volley] = []
        for _ in range(rounds):
            sick.append(volley(fleet, miners - lost))
            settle(fleet, subject, share=1.0 - HUNG_SHARE)
        print(row("in trouble", sick), flush=True)
    return [
        complete(sick, miners - lost),
        near(f"p50 with {lost} miners hung and the broker dead", "our own", sick, well),
    ]


def gpus(folder: Path, miners: int, rounds: int) -> list[Verdict]:
    """Rounds without, then as many with each of the troubles."""
    print(f"\ngpus: {miners} miners (avalon), {GPUS} GPUs", flush=True)
    verdicts: list[Verdict] = []
    with ExitStack() as stack:
        driver = FakeDriver(folder / "gpus" / "driver", GPUS)
        daemon = Gpud(folder / "gpus", folder / "gpus" / "gpud.log", driver.environment())
        stack.callback(daemon.kill)
        daemon.start()
        fleet = stack.enter_context(Fleet(folder, miners, WATTS))
        subject = stack.enter_context(Subject(folder / "gpus", fleet, POLL_S, "gpus"))
        subject.wait_armed(1.0, START_S_MAX)
        well = [of_ours(volley, fleet, subject) for _ in range(rounds)]
        print(f"{HEADING}\n{row('well', well)}", flush=True)
        for name, begin, end in troubles(driver, daemon):
            sick: list[Volley] = []
            for _ in range(rounds):
                begin()
                sick.append(of_ours(volley, fleet, subject))
            end()
            subject.wait_armed(1.0, SETTLE_S_MAX)
            print(row(name, sick), flush=True)
            verdicts += [complete(sick, miners), near(f"p50 with {name}", "our own", sick, well)]
    return verdicts


Deed = Callable[[], object]


def troubles(driver: FakeDriver, daemon: Gpud) -> Iterator[tuple[str, Deed, Deed]]:
    """Each trouble: what it is, what begins it before every round, what ends it."""

    def kill_worker() -> None:
        for worker in psutil.Process(daemon.pid).children():
            worker.kill()

    def lose(lost: bool) -> None:
        driver.gpu(0).lost = lost

    def take_library() -> None:
        driver.remove_library()
        kill_worker()

    yield "worker killed", kill_worker, lambda: None
    yield "driver hung", lambda: driver.hang("*"), driver.free
    yield "GPU lost", lambda: lose(True), lambda: lose(False)
    take_library()
    yield "no library", kill_worker, driver.restore_library
