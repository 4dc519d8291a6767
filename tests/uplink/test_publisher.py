"""The uplink against a broker that can be down, frozen or cut off: order, buffer, gaps, byte for byte."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from agent.consume.ordering import Stream
from agent.consume.verifying import Verifier
from agent.core.notes import EventNote
from agent.uplink import publisher
from agent.uplink.records import CircuitState, Column, Device, Row, ctl_body
from agent.uplink.wire import WINDOW
from tests.sim.loop import VirtualLoop
from tests.uplink.kit import AGENT, AGENT_KEY, SITE, Rig, command, opened, sealed

DEVICES = [Device(f"a/{number}", "miner") for number in range(600)]


def tell(rig: Rig, count: int = 1, rows: int = 1) -> None:
    for _ in range(count):
        now_ns = rig.clock.now_ns
        devices = [DEVICES[number % len(DEVICES)] for number in range(rows)]
        rig.uplink.telemetry(now_ns, [Row(device.id, now_ns, (3250.0, None)) for device in devices])


def play(story: Callable[[Rig], Awaitable[None]], rig: Rig | None = None) -> Rig:
    """Runs an uplink beside the story, then stops it."""
    rig = rig or Rig()
    rig.uplink.describe(DEVICES, [Column("power_w", "W"), Column("temperature_c", "C")])
    rig.uplink.state(ctl_body("act", [CircuitState("poi", "NORMAL", net_w=3_000_000)]))

    async def both() -> None:
        await rig.uplink.restore()
        run = asyncio.create_task(rig.uplink.run(), name="uplink")
        try:
            await story(rig)
        finally:
            rig.uplink.stop("end of the test")
            async with asyncio.timeout(10):
                await run

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(both())
    return rig


def records(rig: Rig, kind: str | None = None) -> list[dict[str, Any]]:
    found = [opened(topic, data) for topic, data, _ in rig.broker.published]
    return [record for record in found if kind is None or record["t"] == kind]


async def connected(rig: Rig) -> None:
    await rig.broker.wait_for(lambda: rig.uplink.connected)


def test_a_connection_begins_in_the_contracts_order_and_its_will_matches_the_birth() -> None:
    rig = play(connected)

    assert [record["t"] for record in records(rig)] == ["conn", "schema", "schema", "schema", "ctl", "conn"]
    assert rig.broker.subscribed == [f"ballast/v1/{SITE}/{AGENT}/cmd/+", f"ballast/v1/{SITE}/_all/cmd/+"]
    assert all(retain for _, _, retain in rig.broker.published)
    (will,) = rig.broker.wills
    assert will is not None
    death, birth = opened(will.topic, will.data), records(rig)[0]
    assert (death["st"], birth["st"], records(rig)[-1]["st"]) == ("lost", "online", "stopped")
    assert death["conn"] == birth["conn"] == 1
    assert death["boot"] == birth["boot"]
    assert birth["epoch"] == 3
    assert birth["keys_ver"] == 7
    assert rig.broker.fired == []


def test_a_large_schema_is_split_by_device_range_under_one_id() -> None:
    rig = play(connected)

    parts = records(rig, "schema")
    assert [part["address"].split("/", 3)[3] for part in parts] == ["schema", "schema/1", "schema/2"]
    assert [(part["first"], part["part"]) for part in parts] == [(0, [0, 3]), (250, [1, 3]), (500, [2, 3])]
    assert len({part["id"] for part in parts}) == 1
    assert sum(len(part["dev"]) for part in parts) == 600


def test_batches_are_numbered_chained_split_and_name_their_schema() -> None:
    async def story(rig: Rig) -> None:
        await connected(rig)
        tell(rig, count=2, rows=1500)
        tell(rig)
        await rig.broker.wait_for(lambda: len(records(rig, "tele")) == 7)

    rig = play(story)

    batches = records(rig, "tele")
    assert [batch["seq"] for batch in batches] == list(range(len(batches)))
    assert [batch["prev"] for batch in batches] == [None, *(batch["digest"][:32] for batch in batches[:-1])]
    assert {batch["sch"] for batch in batches} == {records(rig, "schema")[0]["id"]}
    assert sum(len(batch["rows"]) for batch in batches) == 3001
    assert batches[-1]["rows"] == [[0, 0, 3250.0]]
    assert all(len(data) <= 32 * 1024 for _, data, _ in rig.broker.published)


def test_what_is_not_a_number_is_null_and_named() -> None:
    async def story(rig: Rig) -> None:
        await connected(rig)
        now_ns = rig.clock.now_ns
        values = (float("nan"), float("inf"))
        rig.uplink.telemetry(now_ns, [Row("a/0", now_ns - 7_000_000, values), Row("a/1", now_ns, (), ((0, "silent"),))])
        await rig.broker.wait_for(lambda: bool(records(rig, "tele")))

    (batch,) = records(play(story), "tele")
    assert batch["rows"] == [[0, -7], [1, 0]]
    assert batch["bad"] == [[0, 0, "not_a_number"], [0, 1, "not_a_number"], [1, 0, "silent"]]


def test_while_the_broker_is_away_everything_waits_and_then_comes_once_in_order() -> None:
    rig = Rig()
    rig.broker.up = False

    async def story(rig: Rig) -> None:
        tell(rig, count=20)
        rig.uplink.event({"ev": None, "k": "alarm", "why": "away"})
        await rig.broker.wait_for(lambda: len(rig.uplink.outbox) == 21)
        rig.broker.up = True
        await rig.broker.wait_for(lambda: len(rig.uplink.outbox) == 0)
        tell(rig)
        await rig.broker.wait_for(lambda: len(records(rig, "tele")) == 21)

    play(story, rig)

    assert [batch["seq"] for batch in records(rig, "tele")] == list(range(21))
    assert [batch["late"] for batch in records(rig, "tele")] == [True] * 20 + [False]
    kinds = [record["t"] for record in records(rig)]
    assert "tele" not in kinds[: kinds.index("evt") - 1]  # beside at most the first of the backlog


def test_live_telemetry_goes_before_the_backlog(monkeypatch: Any) -> None:
    monkeypatch.setattr(publisher, "BACKLOG_EVERY_S", 0.05)
    rig = Rig()
    rig.broker.up = False

    async def story(rig: Rig) -> None:
        tell(rig, count=10)
        await rig.broker.wait_for(lambda: len(rig.uplink.outbox) == 10)
        rig.broker.up = True
        await connected(rig)
        tell(rig)
        await rig.broker.wait_for(lambda: len(records(rig, "tele")) == 11)

    play(story, rig)

    order = [batch["seq"] for batch in records(rig, "tele")]
    assert order.index(10) < order.index(5)
    stream, verifier = Stream(), Verifier("ballast", SITE, AGENT, AGENT_KEY.public)
    fresh = [one for topic, data, _ in rig.broker.published for one in stream.take(verifier.record(topic, data))]
    assert [record.seq for record in fresh if record.kind == "tele"] == list(range(11))


def test_what_was_sent_and_not_acknowledged_is_sent_again_byte_for_byte() -> None:
    async def story(rig: Rig) -> None:
        await connected(rig)
        rig.broker.frozen = True
        tell(rig, count=40)
        await rig.broker.wait_for(lambda: rig.broker.in_flight >= WINDOW - 2)
        before = {item.seq: item.data for item in rig.uplink.outbox._taken.values()}
        rig.broker.frozen = False
        rig.broker.cut()
        await rig.broker.wait_for(lambda: len(records(rig, "tele")) == 40)
        after = {opened(topic, data)["seq"]: data for topic, data, _ in rig.broker.published if "/tele/" in topic}
        assert before.items() <= after.items()

    rig = play(story)

    assert rig.broker.in_flight_max <= WINDOW
    assert len(rig.broker.fired) == 1  # the broker told of the loss
    assert [record["conn"] for record in records(rig, "conn")] == [1, 2, 2]


def test_what_does_not_fit_is_declared_by_a_signed_gap_and_nothing_else_is_missing() -> None:
    rig = Rig(buffer_bytes=8_000)
    rig.broker.up = False

    async def story(rig: Rig) -> None:
        tell(rig, count=50)
        rig.uplink.event({"ev": None, "k": "alarm", "why": "kept"})
        await rig.broker.wait_for(
            lambda: rig.uplink._sealer.next_seq["tele/main"] == 50 and not len(rig.uplink._backroom)
        )
        rig.broker.up = True
        await rig.broker.wait_for(lambda: len(rig.uplink.outbox) == 0)

    play(story, rig)

    gaps = records(rig, "gap")
    assert {(gap["why"], gap["of"]) for gap in gaps} == {("spool_full", gaps[0]["boot"])}
    lost = [seq for gap in gaps for seq in range(gap["from"], gap["to"] + 1)]
    came = [record["seq"] for record in records(rig) if record["t"] in ("tele", "gap")]
    assert sorted(lost + came) == list(range(50 + len(gaps)))
    assert rig.uplink.counters["lost"] == len(lost) > 30
    assert len(records(rig, "evt")) == 1


def test_state_is_shown_on_change_but_not_for_every_watt() -> None:
    async def story(rig: Rig) -> None:
        await connected(rig)
        rig.uplink.state(ctl_body("act", [CircuitState("poi", "NORMAL", net_w=2_999_000)]))
        rig.uplink.state(ctl_body("act", [CircuitState("poi", "SHEDDING", net_w=2_998_000, why="for a reason")]))
        await rig.broker.wait_for(lambda: len(records(rig, "ctl")) == 2)

    first, second = records(play(story), "ctl")
    assert (first["circuits"][0]["mode"], second["circuits"][0]["mode"]) == ("NORMAL", "SHEDDING")
    assert first["circuits"][0]["net_kw"] == 3000


def test_a_command_is_acknowledged_answered_and_shown_as_a_lease() -> None:
    async def story(rig: Rig) -> None:
        await connected(rig)
        rig.broker.send(f"ballast/v1/{SITE}/{AGENT}/cmd/dispatch", sealed(command()))
        await rig.broker.wait_for(lambda: bool(records(rig, "ctl")[-1]["leases"]))

    rig = play(story)

    (ack,) = records(rig, "ack")
    assert (ack["st"], ack["seq"]) == ("accepted", 0)
    assert len(rig.broker.acknowledged) == 1
    (lease,) = records(rig, "ctl")[-1]["leases"]
    assert lease == {
        "id": ack["id"],
        "iss": "dispatch",
        "scope": "poi",
        "kw": 1200.0,
        "left_ms": 900_000,
        "after": "release",
    }


def test_a_command_on_its_way_to_the_disk_when_the_connection_goes_is_finished_and_judged_once() -> None:
    async def story(rig: Rig) -> None:
        topic, data = f"ballast/v1/{SITE}/{AGENT}/cmd/dispatch", sealed(command())
        await connected(rig)
        rig.keeper.slow.clear()
        rig.broker.send(topic, data)
        await asyncio.sleep(0.1)
        rig.broker.cut()
        await rig.broker.wait_for(lambda: rig.uplink.connections == 2 and rig.uplink.connected)
        rig.broker.send(topic, data)
        await asyncio.sleep(0.1)
        rig.keeper.slow.set()
        await rig.broker.wait_for(lambda: len(records(rig, "ack")) == 2)

    rig = play(story)

    assert rig.uplink.counters["accepted"] == rig.uplink.counters["duplicate"] == 1
    assert {(ack["st"], ack["n"]) for ack in records(rig, "ack")} == {("accepted", 0)}


def test_an_event_that_names_ten_thousand_loads_comes_in_parts() -> None:
    async def story(rig: Rig) -> None:
        await connected(rig)
        loads = tuple((f"a/{number % 600}", "off") for number in range(2_500))
        rig.uplink.told(
            EventNote(
                rig.clock.now_ns, "01J", "told", "poi", "ufr", "grid", "below 59.7 Hz", 1e6, "main", 2e6, 5, loads
            )
        )
        await rig.broker.wait_for(lambda: len(records(rig, "evt")) == 3)

    events = records(play(story), "evt")
    assert [event["part"] for event in events] == [[0, 3], [1, 3], [2, 3]]
    assert [load for event in events for load in event["loads"]] == [[number % 600, "off"] for number in range(2_500)]
    assert events[0]["want"] == {"lo_kw": None, "hi_kw": 1000.0}


def lost_rows(rig: Rig) -> list[dict[str, Any]]:
    """The gap records of telemetry."""
    return [gap for gap in records(rig, "gap") if gap["address"].endswith("/tele/main")]


def test_a_kill_before_any_event_is_sealed_declares_events_too() -> None:
    async def declared(rig: Rig) -> None:
        await rig.broker.wait_for(lambda: bool(records(rig, "gap")))

    first = play(connected)
    first.uplink._mark()  # as it was before the clean stop
    second = play(declared, Rig(disk=first.keeper.disk, boot="1" * 16))

    assert [
        (gap["address"].rpartition("/")[2], gap["of"], gap["from"], gap["to"]) for gap in records(second, "gap")
    ] == [("evt", "0123456789abcdef", 0, None)]


def test_after_kill_9_the_next_start_declares_what_may_be_lost_and_the_birth_names_the_start_before() -> None:
    async def story(rig: Rig) -> None:
        await connected(rig)
        tell(rig, count=3)
        await rig.broker.wait_for(lambda: len(records(rig, "tele")) == 3)
        rig.uplink._mark()
        tell(rig, count=2)
        await rig.broker.wait_for(lambda: len(records(rig, "tele")) == 5)
        disk.update(rig.keeper.disk)

    disk: dict[str, str] = {}
    first = play(story)
    second = Rig(disk=disk, boot="fedcba9876543210")

    async def declared(rig: Rig) -> None:
        await rig.broker.wait_for(lambda: bool(lost_rows(rig)))

    play(declared, second)

    (gap,) = lost_rows(second)
    assert (gap["of"], gap["from"], gap["to"], gap["why"]) == (first.uplink._sealer.boot, 3, None, "restart")
    assert records(second, "conn")[0]["prev"] == {"boot": gap["of"], "streams": {"main": {"seq": 2}}}
    stream, verifier = Stream(), Verifier("ballast", SITE, AGENT, AGENT_KEY.public)
    for topic, data, _ in first.broker.published + second.broker.published:
        stream.take(verifier.record(topic, data))
    assert stream.missing() == {}


def test_a_kill_before_the_first_mark_of_the_minute_is_declared_as_well() -> None:
    async def story(rig: Rig) -> None:
        await connected(rig)
        tell(rig, count=2)
        await rig.broker.wait_for(lambda: len(records(rig, "tele")) == 2)
        disk.update(rig.keeper.disk)

    disk: dict[str, str] = {}
    first = play(story)
    second = Rig(disk=disk, boot="fedcba9876543210")

    async def declared(rig: Rig) -> None:
        await rig.broker.wait_for(lambda: bool(lost_rows(rig)))

    play(declared, second)

    (gap,) = lost_rows(second)
    assert (gap["of"], gap["from"], gap["to"]) == (first.uplink._sealer.boot, 0, None)


def test_a_gap_of_an_earlier_start_is_declared_until_it_was_delivered() -> None:
    async def lost(rig: Rig) -> None:
        tell(rig, count=3)
        await rig.broker.wait_for(
            lambda: rig.uplink._sealer.next_seq["tele/main"] >= 3 and not len(rig.uplink._backroom)
        )
        rig.uplink._mark()

    first = Rig()
    first.broker.up = False
    play(lost, first)
    second = Rig(disk=first.keeper.disk, boot="1" * 16)
    second.broker.up = False
    play(lost, second)
    third = Rig(disk=second.keeper.disk, boot="2" * 16)

    async def declared(rig: Rig) -> None:
        await rig.broker.wait_for(lambda: len(lost_rows(rig)) == 2)

    play(declared, third)

    assert [(gap["of"], gap["from"]) for gap in lost_rows(third)] == [("0123456789abcdef", 0), ("1" * 16, 0)]


def test_after_a_clean_stop_nothing_is_declared_lost() -> None:
    async def story(rig: Rig) -> None:
        await connected(rig)
        tell(rig, count=3)

    first = play(story)
    second = play(connected, Rig(disk=first.keeper.disk, boot="1" * 16))

    assert len(records(first, "tele")) == 3
    assert records(second, "gap") == []
    assert records(second, "conn")[0]["prev"]["streams"] == {"main": {"seq": 2}}
