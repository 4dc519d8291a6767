"""Nothing lost: what waits goes to the disk, survives restarts, and is sent once, in order, or declared as lost."""

import asyncio
import errno
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from agent.consume.ordering import Stream
from agent.consume.verifying import Verifier
from agent.uplink import lane
from agent.uplink.outbox import WAIT_NS
from agent.uplink.records import CircuitState, Column, Device, Row, ctl_body
from agent.uplink.spool import Spool
from tests.shell.crash import CrashDisk, Inline
from tests.sim.loop import VirtualLoop
from tests.uplink.kit import AGENT, AGENT_KEY, BOOT, SITE, Rig, opened

FOLDER = Path("/state/spool")
LONG_S = WAIT_NS / 1e9 + 2
BOOTS = (BOOT, "fedcba9876543210", "00000000000000aa", "00000000000000bb")


class Machine:
    """One disk, and the starts of the agent on it."""

    def __init__(self, mib: int = 8) -> None:
        self.disk = CrashDisk()
        self.mib = mib
        self.rig: Rig | None = None
        self.starts = 0
        self.received: list[tuple[str, bytes]] = []
        self.up = True

    def start(self, story: Callable[[Rig], Awaitable[None]], *, killed: bool = False) -> Rig:
        """One life of the agent, until the story ends: by stop(), or killed."""
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            return runner.run(self._live(story, killed))

    async def _live(self, story: Callable[[Rig], Awaitable[None]], killed: bool) -> Rig:
        spool = Spool(self.disk, FOLDER, self.mib << 20, Inline())
        await spool.open()
        before = self.rig
        rig = Rig(boot=BOOTS[0], spool=spool) if before is None else before.again(BOOTS[self.starts], spool)
        self.rig = rig
        self.starts += 1
        rig.broker.up = self.up
        rig.uplink.describe([Device("a/0", "miner")], [Column("power_w", "W")])
        rig.uplink.state(ctl_body("act", [CircuitState("poi", "NORMAL", net_w=3_000_000)]))
        await rig.uplink.restore()
        run = asyncio.create_task(rig.uplink.run(), name="uplink")
        try:
            await story(rig)
        finally:
            if killed:
                run.cancel()
            else:
                rig.uplink.stop("end of the test")
            await asyncio.wait([run])
        if not killed:
            run.result()
        self.received += [(topic, data) for topic, data, _ in rig.broker.published]
        return rig

    def records(self, kind: str) -> list[dict[str, Any]]:
        found = [opened(topic, data) for topic, data in self.received]
        return [record for record in found if record["t"] == kind]

    def check(self) -> list[dict[str, Any]]:
        """The other side's view: verified, once each, in order, nothing owed; the telemetry."""
        verifier, stream = Verifier("ballast", SITE, AGENT, AGENT_KEY.public), Stream()
        told = [one for topic, data in self.received for one in stream.take(verifier.record(topic, data))]
        assert not stream.missing(), stream.missing()
        return [dict(record.body) for record in told if record.kind == "tele"]


async def tell(rig: Rig, count: int = 1) -> None:
    """So many rounds of telemetry, one a second, each with a number as its watts."""
    for _ in range(count):
        rig.clock.move(1)
        now_ns = rig.clock.now_ns
        rig.uplink.telemetry(now_ns, [Row("a/0", now_ns, (now_ns / 1e9,))])
        await asyncio.sleep(1)


async def settled(rig: Rig) -> None:
    await rig.broker.wait_for(lambda: rig.uplink.connected)
    for _ in range(1000):
        await asyncio.sleep(0.1)
        if not len(rig.uplink.outbox) and not rig.uplink.bytes_on_disk:
            return
    raise AssertionError("something still waits")


def watts(batches: list[dict[str, Any]]) -> list[float]:
    return [row[2] for batch in batches for row in batch["rows"]]


def test_with_a_healthy_broker_nothing_is_written() -> None:
    machine = Machine()

    async def story(rig: Rig) -> None:
        await rig.broker.wait_for(lambda: rig.uplink.connected)
        machine.disk.calls.clear()
        await tell(rig, 60)
        assert machine.disk.calls == []

    machine.start(story)
    assert len(machine.check()) == 60


def test_what_waits_for_five_seconds_is_on_the_disk_and_no_longer_in_memory() -> None:
    machine = Machine()
    machine.up = False

    async def story(rig: Rig) -> None:
        await tell(rig, 20)
        assert rig.uplink.bytes_on_disk
        assert len(rig.uplink.outbox) <= 7

    machine.start(story)


@pytest.mark.parametrize("killed", [False, True])
def test_an_outage_over_two_restarts_loses_nothing_that_waited_for_five_seconds(killed: bool) -> None:
    machine = Machine()

    async def away(rig: Rig) -> None:
        rig.uplink.event({"ev": None, "k": "alarm", "why": f"start {machine.starts}"})
        await tell(rig, 30)
        rig.clock.move(LONG_S)
        await asyncio.sleep(2)

    machine.up = False
    machine.start(away, killed=killed)
    machine.start(away, killed=killed)
    machine.up = True
    machine.start(settled)

    seen = watts(machine.check())
    assert len(seen) == 60
    assert seen == sorted(seen)
    assert [event["why"] for event in machine.records("evt")] == ["start 1", "start 2"]
    assert {gap["why"] for gap in machine.records("gap")} <= {"restart"}


def test_a_kill_loses_at_most_what_was_younger_and_declares_it() -> None:
    machine = Machine()

    async def away(rig: Rig) -> None:
        await tell(rig, 33)

    machine.up = False
    machine.start(away, killed=True)
    machine.up = True
    machine.start(settled)

    assert 27 <= len(machine.check()) < 33
    (gap,) = [gap for gap in machine.records("gap") if gap["address"].endswith("tele/main")]
    assert (gap["of"], gap["to"], gap["why"]) == (BOOT, None, "restart")


def test_what_an_earlier_start_lost_is_declared_after_what_it_left_was_sent() -> None:
    machine = Machine()

    async def away(rig: Rig) -> None:
        await tell(rig, 20)

    machine.up = False
    machine.start(away, killed=True)
    machine.up = True
    machine.start(settled)

    kinds = [opened(topic, data)["t"] for topic, data in machine.received if topic.endswith("tele/main")]
    assert kinds.index("gap") == len([kind for kind in kinds if kind == "tele"])


def test_at_its_cap_the_oldest_goes_and_is_declared_number_by_number() -> None:
    machine = Machine(mib=1)

    async def story(rig: Rig) -> None:
        await rig.broker.wait_for(lambda: rig.uplink.connected)
        rig.broker.up = False
        rig.broker.cut()
        for _ in range(60):
            rig.clock.move(1)
            now_ns = rig.clock.now_ns
            rows = [Row("a/0", now_ns, (float(number),)) for number in range(3000)]
            rig.uplink.telemetry(now_ns, rows)
            await asyncio.sleep(1)
        rig.broker.up = True
        await settled(rig)

    machine.start(story)

    machine.check()
    gaps = [gap for gap in machine.records("gap") if gap["why"] == "spool_full"]
    assert gaps
    assert {gap["of"] for gap in gaps} == {BOOT}
    assert gaps[0]["from"] == 0


def test_a_broken_segment_is_declared_and_alarmed_and_the_rest_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "SEGMENT_BYTES", 2000)
    machine = Machine()

    async def story(rig: Rig) -> None:
        await rig.broker.wait_for(lambda: rig.uplink.connected)
        rig.broker.up = False
        rig.broker.cut()
        await tell(rig, 40)
        names = sorted(name for name in machine.disk.files if "telemetry" in name and name.endswith(".seg"))
        stored = machine.disk.files[names[1]]
        stored.durable = stored.durable[:30] + b"\0" + stored.durable[31:]
        rig.broker.up = True
        await settled(rig)

    machine.start(story)

    seen = machine.check()
    (gap,) = [gap for gap in machine.records("gap") if gap["why"] == "corrupt"]
    assert len(seen) == 40 - (gap["to"] - gap["from"] + 1)
    assert any("cannot be read" in event["why"] for event in machine.records("evt"))


def test_a_disk_that_takes_nothing_is_told_once_and_memory_serves() -> None:
    machine = Machine()

    async def story(rig: Rig) -> None:
        await rig.broker.wait_for(lambda: rig.uplink.connected)
        rig.broker.up = False
        rig.broker.cut()
        machine.disk.fails = errno.EROFS
        await tell(rig, 30)
        rig.broker.up = True
        await settled(rig)
        machine.disk.fails = 0

    machine.start(story)

    assert len(machine.check()) == 30
    alarms = [event["why"] for event in machine.records("evt")]
    assert len([why for why in alarms if "Read-only" in why]) == 1


def test_what_a_slow_broker_has_on_its_way_is_not_sent_twice() -> None:
    machine = Machine()

    async def story(rig: Rig) -> None:
        await rig.broker.wait_for(lambda: rig.uplink.connected)
        rig.broker.slow_s = 30.0
        await tell(rig, 25)
        assert rig.uplink.bytes_on_disk
        rig.broker.slow_s = 0.0
        await settled(rig)

    machine.start(story)

    batches = machine.records("tele")
    assert sorted(batch["seq"] for batch in batches) == list(range(25))
    assert len(machine.check()) == 25


def test_after_an_hour_and_after_a_day_without_a_broker_fewer_rounds_are_recorded() -> None:
    machine = Machine()
    machine.up = False

    async def story(rig: Rig) -> None:
        await tell(rig, 10)
        assert rig.uplink.counters["thinned"] == 0
        rig.clock.move(3600)
        await tell(rig, 60)
        assert rig.uplink.counters["thinned"] == 60 - 6
        rig.clock.move(86_400)
        await tell(rig, 120)
        assert rig.uplink.counters["thinned"] == 54 + 120 - 2

    machine.start(story)
