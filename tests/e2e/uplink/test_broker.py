"""The uplink against a real mosquitto: commands, outages, a frozen broker, TLS with client certificates."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from agent.consume.ordering import Ledger, Stream
from agent.consume.verifying import Record
from agent.uplink.mqtt import MqttWire, broker_at
from agent.uplink.records import Row
from agent.uplink.wire import Lost, Will
from tests.e2e.uplink.authority import Authority
from tests.e2e.uplink.broker import Mosquitto, running
from tests.e2e.uplink.rig import Agent, Reader, polled, reading, soon
from tests.uplink.kit import AGENT, SITE, STRANGER, sealed, ulid


def url_of(broker: Mosquitto) -> str:
    return f"mqtt://127.0.0.1:{broker.port}"


def agent_at(broker: Mosquitto, disk: dict[str, str] | None = None, **more: Any) -> Agent:
    return Agent(broker_at(url_of(broker), f"{SITE}.{AGENT}"), disk, **more)


def tell(agent: Agent, count: int) -> None:
    for number in range(count):
        now_ns = agent.clock.monotonic_ns()
        agent.uplink.telemetry(now_ns, [Row("main", now_ns, (float(number),)), Row("a/1", now_ns, (3250.0,))])


def watts(records: list[Record]) -> list[float]:
    return [record.body["rows"][0][2] for record in records if record.kind == "tele"]


def test_a_connection_begins_with_birth_schema_and_state_and_ends_with_a_goodbye(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as broker, reading(url_of(broker)) as reader:
            agent = agent_at(broker)
            async with agent.running():
                await reader.until(lambda records: len(records) >= 3)
            await reader.until(lambda records: len(records) >= 4)

            assert [record.kind for record in reader.records] == ["conn", "schema", "ctl", "conn"]
            assert [record.body["st"] for record in reader.of("conn")] == ["online", "stopped"]

    asyncio.run(play())


def test_a_good_command_is_obeyed_and_every_bad_one_changes_nothing(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as broker, reading(url_of(broker)) as reader:
            agent = agent_at(broker)
            good = soon(agent.clock, id=ulid(2), seq=2)
            await reader.send(soon(agent.clock), retain=True)
            async with agent.running():
                await reader.until(lambda _: len(reader.statuses()) == 1)
                assert agent.sink.leases == {}
                for data in (b"nothing", sealed(good, STRANGER), sealed(good, agent="ctl-2")):
                    await reader.send(b"", data=data)
                await reader.send(soon(agent.clock, id=ulid(3), seq=3, exp={"ts": 1}))
                await reader.send(good)
                await reader.send(soon(agent.clock, id=ulid(4), seq=4, op="mode.set", args={}))
                await reader.send(soon(agent.clock, id=ulid(5), seq=5))
                await reader.until(lambda _: len(reader.statuses()) == 5)

            # seq 2 came after seq 3, so it is a replay, however good it is.
            assert reader.statuses() == [
                ("rejected", "retained"),
                ("rejected", "expired"),
                ("rejected", "replay"),
                ("rejected", "unsupported"),
                ("accepted", None),
            ]
            assert set(agent.sink.leases) == {ulid(5)}
            assert agent.uplink.counters["bad_sig"] == 2

    asyncio.run(play())


def test_a_command_sent_while_the_agent_is_away_arrives_when_it_is_back(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as broker, reading(url_of(broker)) as reader:
            first = agent_at(broker)
            async with first.running():
                await first.connected()
            await reader.send(soon(first.clock))

            second = agent_at(broker, first.keeper.disk)
            async with second.running():
                await reader.until(lambda _: reader.statuses() == [("accepted", None)])

            assert set(second.sink.leases) == {ulid(1)}

    asyncio.run(play())


def test_a_command_that_was_not_durable_is_delivered_again(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as broker, reading(url_of(broker)) as reader:
            first = agent_at(broker)
            first.keeper.full = True
            async with first.running():
                await first.connected()
                await reader.send(soon(first.clock))
                await polled(lambda: first.uplink.counters["internal"] > 0)
            assert reader.statuses() == []

            second = agent_at(broker)
            async with second.running():
                await reader.until(lambda _: reader.statuses() == [("accepted", None)])

    asyncio.run(play())


def test_nothing_is_lost_or_doubled_while_the_broker_is_away_and_back(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as broker:
            agent = agent_at(broker)
            async with agent.running():
                async with reading(url_of(broker)) as before:
                    await agent.connected()
                    tell(agent, 20)
                    await before.until(lambda records: len(watts(records)) == 20)
                await broker.stop()
                await agent.connected(wanted=False)
                tell(agent, 30)
                agent.uplink.event({"ev": None, "k": "alarm", "why": "while it was away"})
                await broker.start()
                async with reading(url_of(broker)) as after:
                    await agent.connected()
                    tell(agent, 10)
                    await after.until(
                        lambda records: len(watts(records)) >= 40 and any(r.kind == "evt" for r in records)
                    )
                    records = before.records + after.records

            stream = Stream()
            ordered = [fresh for record in records if record.kind == "tele" for fresh in stream.take(record)]
            assert watts(ordered) == [float(n) for count in (20, 30, 10) for n in range(count)]
            assert stream.missing() == {}
            assert [record.body["late"] for record in ordered] == [False] * 20 + [True] * 30 + [False] * 10

    asyncio.run(play())


def test_a_frozen_broker_is_noticed_and_nothing_is_lost(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as broker, reading(url_of(broker)) as reader:
            agent = agent_at(broker, timeout_s=1.0)
            async with agent.running():
                await agent.connected()
                broker.freeze()
                tell(agent, 40)
                await agent.connected(wanted=False)
                tell(agent, 5)
                broker.thaw()
                await agent.connected()
                await reader.until(
                    lambda records: len({record.seq for record in records if record.kind == "tele"}) == 45
                )

            ledger = Ledger()
            first = [record for record in reader.records if record.kind == "tele" and ledger.note(record)]
            assert sorted(record.seq for record in first) == list(range(45))
            bodies: dict[int, str] = {}
            for record in reader.of("tele"):
                assert bodies.setdefault(record.seq, record.digest) == record.digest  # sent twice, but byte for byte

    asyncio.run(play())


def test_the_will_is_published_when_the_agent_is_gone_without_a_word(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as broker, reading(url_of(broker)) as reader:
            agent = agent_at(broker)
            await agent.uplink.restore()
            run = asyncio.create_task(agent.uplink.run(), name="uplink")
            await agent.connected()
            run.cancel()
            await asyncio.wait({run})
            await reader.until(lambda _: len(reader.of("conn")) == 2)

            assert [(record.body["st"], record.body["conn"]) for record in reader.of("conn")] == [
                ("online", 1),
                ("lost", 1),
            ]

    asyncio.run(play())


def test_an_acknowledgement_can_be_withheld_through_the_private_client(tmp_path: Path) -> None:
    """Fails when aiomqtt's `_client` or paho's manual acknowledgement goes; agent/uplink/mqtt.py relies on both."""

    async def play() -> list[str]:
        async with running(tmp_path) as broker:
            wire = MqttWire(broker_at(url_of(broker), "one"))
            will = Will("gone", b"")
            sender = await MqttWire(broker_at(url_of(broker), "two")).open(None)
            seen: list[str] = []
            for acknowledge in (False, True, True):
                connection = await wire.open(will)
                await connection.subscribe(["in", "end"])
                if not seen:
                    await sender.publish("in", b"once")
                await sender.publish("end", b"")
                while (message := await connection.receive()).topic != "end":
                    seen.append(message.topic)
                    if acknowledge:
                        message.acknowledge()
                message.acknowledge()
                await connection.close()
            await sender.close()
            return seen

    assert asyncio.run(play()) == ["in", "in"]


# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")
def test_tls_with_client_certificates(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server, client, foreign = (
        authority.issue("server"),
        authority.issue("client"),
        Authority(tmp_path, "foreign").issue("x"),
    )
    lines = (
        f"cafile {authority.certificate}",
        f"certfile {server.certificate}",
        f"keyfile {server.key}",
        "require_certificate true",
    )

    async def play() -> None:
        async with running(tmp_path, lines) as broker:
            url = f"mqtts://127.0.0.1:{broker.port}"
            tls = {"ca": authority.certificate, "cert": client.certificate, "key": client.key}
            async with reading(url, **tls) as reader:
                agent = Agent(broker_at(url, f"{SITE}.{AGENT}", **tls))
                async with agent.running():
                    await reader.until(lambda _: bool(reader.of("ctl")))
            for wrong in (
                {"ca": authority.certificate},
                {"ca": authority.certificate, "cert": foreign.certificate, "key": foreign.key},
                {"ca": foreign.authority, "cert": client.certificate, "key": client.key},
                {"ca": tmp_path / "nothing.pem"},
            ):
                try:
                    await MqttWire(broker_at(url, "wrong", **wrong), timeout_s=1).open(None)
                except Lost:
                    continue
                raise AssertionError(f"connected with {wrong}")

    asyncio.run(play())


def test_reader_and_agent_agree_on_what_a_reader_needs(tmp_path: Path) -> None:
    async def play() -> Reader:
        async with running(tmp_path) as broker, reading(url_of(broker)) as reader:
            agent = agent_at(broker)
            async with agent.running():
                await agent.connected()
                tell(agent, 1)
                await reader.until(lambda _: bool(reader.of("tele")))
            return reader

    reader = asyncio.run(play())

    (schema,) = reader.of("schema")
    (batch,) = reader.of("tele")
    assert batch.body["sch"] == schema.body["id"]
    assert [schema.body["dev"][row[0]]["id"] for row in batch.body["rows"]] == ["main", "a/1"]
    assert reader.refused == []
