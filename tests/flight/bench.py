"""python -m tests.flight.bench [--loads N] [--seconds S]: what recording costs the path from a reading to a decision.

Two boards with the same site are told the same readings in turn, on one event loop: one has a recorder that packs in
its thread and writes a flight to a real folder, the other a tape that does nothing. Each reading is one fast block of
20 points of one of ten meters; each second a tenth of the loads are read. Printed: the time of one `meter_read` (the
whole way from a reading to a decision), when nothing is shed and when a quarter of the loads are; what the recorder
holds and writes; and the processor's time in its thread. `cpu` is the loop's own time on the processor, which other
programs do not lengthen; `wall` has them in it, and the waits for the interpreter while the recorder's thread has it.
"""

import argparse
import asyncio
import gc
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from agent.core.rules import Rules
from agent.core.rules.under_frequency import UnderFrequency
from agent.core.site import Circuit, Load, Meter, Site, Step
from agent.core.state import State
from agent.core.tree import Tree
from agent.core.values import NS_PER_MS, NS_PER_S
from agent.flight.entries import VERSION, Head
from agent.flight.recorder import Recorder
from agent.shell.board import Board
from agent.shell.clock import SystemClock
from agent.shell.disk import RealDisk
from agent.shell.routing import Unsent
from agent.shell.spawn import RealSpawn
from agent.shell.tape import Tape
from drivers.miners.dialect import State as MinerState
from drivers.modbus.meter import BlockRead
from drivers.sample import Sample

METERS = 10
POINTS = 20
READINGS_PER_S = 50
SHEDS = 50
LOAD_W = 3_000.0


class Nothing:
    """A tape that does nothing."""

    def __getattr__(self, name: str) -> object:
        return _nothing


def _nothing(*told: object) -> None:
    return None


class Sent:
    """Where setpoints go: they are counted."""

    def __init__(self) -> None:
        self.count = 0

    def fire(self, setpoints: Sequence[object]) -> list[Unsent]:
        self.count += len(setpoints)
        return []


def _site(count: int) -> Site:
    loads = tuple(
        Load(f"a/10.0.{n // 250}.{n % 250}", "poi", _STEPS, 95.0, 0, 0, 10 * NS_PER_S, "a") for n in range(count)
    )
    meters = tuple(Meter(f"m{n}", 20 * NS_PER_MS, 20 * NS_PER_MS, 230.0) for n in range(METERS))
    return Site("s", "a", 50.0, (Circuit("poi", None, "m0", 2.0 * LOAD_W * count),), meters, loads, observe=False)


_STEPS = (Step("off", 25.0, 2 * NS_PER_S), Step("on", LOAD_W, 4 * NS_PER_S))


class Bench:
    """One board and its plant of numbers."""

    def __init__(self, count: int, tape: Tape) -> None:
        self.site = _site(count)
        tree = Tree(self.site)
        shed_w = 0.25 * LOAD_W * count
        rule = UnderFrequency("ufr", "poi", "m0", 49.5, 49.9, 2 * NS_PER_S, shed_w=shed_w)
        clock = SystemClock()
        self.board = Board(
            tree,
            Rules(tree, (rule,)),
            clock,
            State(),
            {},
            tape,
            on_notes=_nothing,
            on_durable=_nothing,
            on_armed=_nothing,
        )
        self.sent = Sent()
        self.board.use(self.sent)  # type: ignore[arg-type]
        self.spent: list[tuple[int, int]] = []
        self.sheds: list[tuple[int, int]] = []
        self.power_w = LOAD_W * count

    def shed(self, number: int) -> None:
        """One reading that sheds; then the state is what it was."""
        before = self.board.state
        self.sheds.append(self.read(number * METERS, 49.0))
        self.board.state = before

    def read(self, number: int, hz: float) -> tuple[int, int]:
        """One fast block; the nanoseconds that the board took, on the processor and by the wall."""
        now_ns = time.monotonic_ns()
        wobble = number % 97 / 97
        values = [hz + wobble / 1000, self.power_w + wobble, 230.0, 230.0, 230.0]
        names = ["frequency_hz", "power_w", "voltage_l1_v", "voltage_l2_v", "voltage_l3_v"]
        names += [f"reactive_power_l{at}_var" for at in range(POINTS - len(names))]
        values += [wobble * at for at in range(POINTS - len(values))]
        samples = tuple(Sample(name, value) for name, value in zip(names, values, strict=True))
        block = BlockRead(samples, (number,), now_ns, now_ns, now_ns)
        began_ns, used_ns = time.perf_counter_ns(), time.thread_time_ns()
        self.board.meter_read(f"m{number % METERS}", block, fast=True)
        return time.thread_time_ns() - used_ns, time.perf_counter_ns() - began_ns

    def hear(self, share: int) -> None:
        """A tenth of the loads are read."""
        now_ns = time.monotonic_ns()
        for load in self.site.loads[share::10]:
            self.board.load_read(load.id, MinerState("on", LOAD_W, True, None, None), now_ns)


async def _play(count: int, seconds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spawn = RealSpawn("flight")
        head = Head(VERSION, "bench", "s", "a", "b", 0, None, "site.toml", "", "", {}, {})
        recorder = Recorder(head, RealDisk(), spawn, SystemClock(), Path(folder), print)
        benches = (Bench(count, Nothing()), Bench(count, recorder))  # type: ignore[arg-type]
        tasks = [asyncio.ensure_future(recorder.run(lambda: False))]
        for bench in benches:
            for share in range(10):
                bench.hear(share)
            tasks.append(asyncio.ensure_future(bench.board.run()))
            tasks.append(asyncio.ensure_future(bench.board.keep_armed(lambda: False)))
        await asyncio.sleep(2)
        gc.freeze()
        thread_s = await spawn.in_thread(time.thread_time)
        for number in range(seconds * READINGS_PER_S * METERS):
            for bench in benches if number % 2 else benches[::-1]:
                bench.spent.append(bench.read(number, 50.0))
            if number % (READINGS_PER_S * METERS) == 0:
                for bench in benches:
                    bench.hear(number // (READINGS_PER_S * METERS) % 10)
            if number % METERS == 0:
                await asyncio.sleep(1 / READINGS_PER_S)
        thread_s = await spawn.in_thread(time.thread_time) - thread_s
        held = sum(segment.bytes for segment in recorder._ring)
        for number in range(SHEDS):
            for bench in benches if number % 2 else benches[::-1]:
                bench.shed(number)
        await asyncio.sleep(3)
        recorder.stop()
        await tasks[0]
        for task in tasks[1:]:
            task.cancel()
        written = sum(RealDisk().sizes(Path(folder)).values())
        spawn.close()
    print(f"{count} loads, {METERS} meters of {POINTS} points, {READINGS_PER_S} readings a second each, {seconds} s")
    for what, of in (("sheds nothing", "spent"), (f"sheds {benches[0].sent.count // SHEDS}", "sheds")):
        for at, clock in enumerate(("cpu", "wall")):
            for name, bench in zip(("without", "with"), benches, strict=True):
                figures = _figures([both[at] for both in getattr(bench, of)])
                print(f"  a reading that {what:14} {clock:5}{name:8} {figures}")
    print(
        f"  ring {held / 1024:.0f} KiB, flight {written / 1024:.0f} KiB; its thread {thread_s / seconds:.1%} of a core"
    )


def _figures(spent_ns: list[int]) -> str:
    ordered = sorted(spent_ns)
    return "  ".join(
        f"p{share:g} {ordered[min(len(ordered) - 1, int(len(ordered) * share / 100))] / 1000:6.1f} us"
        for share in (50, 99, 99.9)
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.flight.bench", description=__doc__)
    parser.add_argument("--loads", type=int, default=1_000)
    parser.add_argument("--seconds", type=int, default=10)
    asked = parser.parse_args()
    asyncio.run(_play(asked.loads, asked.seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
