"""The uplink: one connection to the broker at a time, records out, commands in. Nothing in the agent waits for it.

What app calls (`telemetry`, `told`, `state`, `describe`) returns at once: records are sealed by a task of their own
(agent/uplink/backroom.py) and wait in the outbox for a connection.

One connection, in the contract's order (docs/wire.md section 4):

    will -> SUBSCRIBE -> birth -> schema -> ctl -> TaskGroup of
      receive   one message at a time into commands; its PUBACK after that returned
      send      events, acknowledgements and live telemetry, a window of 14
      backlog   what waited before this connection, on the disk or in memory, one at a time, 10 ms apart
      show      ctl on change and every 60 s

Whatever fails ends the connection, all of it, and a new one is tried after a jittered pause.

Without a broker for an hour one round of telemetry in 10 s is recorded, after a day one in a minute; events always are.

What waited is on the disk (agent/uplink/storing.py) and survives a restart; what was in memory alone does not. Per
channel a low-water mark is in the journal (key `boot`): all below it were acknowledged by the broker. The next start,
when it has sent what was on the disk, declares, signed, everything from the mark on as lost (`to: null`: what a reader
has nevertheless is not), until one of these declarations was delivered; and the newest status of every command is sent
again by commands.py.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from msgspec import Struct

from agent.core.notes import CommandNote, Note
from agent.uplink import records
from agent.uplink.backroom import Backroom, Told
from agent.uplink.checks import Policy
from agent.uplink.commands import Commands
from agent.uplink.keyring import Keyring
from agent.uplink.marks import EarlierStarts
from agent.uplink.needs import Clock, CommandSink, Keeper
from agent.uplink.outbox import Item, Outbox, Rank
from agent.uplink.records import ALL_AGENTS, Body, Column, Device, Row
from agent.uplink.sealer import Sealer
from agent.uplink.sealing import Signer
from agent.uplink.shown import Shown, wait
from agent.uplink.spool import Spool
from agent.uplink.storing import EVERY_S as STORE_EVERY_S
from agent.uplink.storing import Store
from agent.uplink.thinning import Thinning
from agent.uplink.wire import WINDOW, Connection, Lost, Will, Wire

PAUSES_S = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)  # between tries, each times 0.5 to 1.0
BACKLOG_EVERY_S = 0.01
STOP_WITHIN_S = 2.0
BUFFER_BYTES = 16 * 1024 * 1024

log = logging.getLogger(__name__)


class UplinkSettings(Struct, frozen=True):
    """Who this agent is to the outside."""

    site: str
    agent: str
    agent_ver: str
    root: str = "ballast"
    control: str = "observe"  # observe | act
    commissioned: bool = True  # false: `act` without a commissioned hash; shown in birth and ctl
    buffer_bytes: int = BUFFER_BYTES


class Uplink:
    """The agent's half of the wire contract."""

    def __init__(
        self,
        settings: UplinkSettings,
        *,
        wire: Wire,
        signer: Signer,
        keyring: Keyring | None,
        clock: Clock,
        keeper: Keeper,
        sink: CommandSink,
        spool: Spool | None,
        boot: str,
        epoch: int,
        jitter: random.Random,
        policy: Policy | None = None,
    ) -> None:
        self.settings = settings
        self._root = settings.root
        self.connected = False
        self.connections = 0
        self.trouble = "not tried yet"  # why there is no connection
        self.counters: Counter[str] = Counter()
        self.outbox = Outbox(settings.buffer_bytes, self.counters)
        self._wire = wire
        self._clock = clock
        self._earlier = EarlierStarts(keeper)
        self._jitter = jitter
        self._sealer = Sealer(signer, settings.site, settings.agent, boot, clock)
        self._epoch = epoch
        self._keyring = keyring
        self.commands = Commands(
            settings.site,
            settings.agent,
            keyring=keyring,
            keeper=keeper,
            sink=sink,
            clock=clock,
            boot=boot,
            up_ms=self._sealer.up_ms,
            epoch=epoch,
            policy=policy or Policy(),
            answer=self._answer,
            alarm=self._alarm,
            counters=self.counters,
        )
        self._shown = Shown(self._sealer, lambda: [records.lease_body(lease) for lease in self.commands.leases()])
        self._channels_marked = 0  # how many channels the newest mark knows
        self._backroom = Backroom(self._sealer, self.outbox, self._sealed)
        self._store = None if spool is None else Store(self.outbox, spool, boot, clock, self._alarm, self._wake_sender)
        self._lost_ns = clock.monotonic_ns()  # while not connected: since then
        self._thinning = Thinning()
        self._stop_reason: str | None = None
        self._wake_sending = asyncio.Event()
        self._stopping = asyncio.Event()
        self._progress = asyncio.Event()  # something was delivered
        self._delivering: set[asyncio.Task[None]] = set()
        self._tasks: asyncio.TaskGroup | None = None  # of run(): what outlives a connection
        self._prev: Body | None = None

    @property
    def bytes_on_disk(self) -> int:
        """What waits there."""
        return 0 if self._store is None else self._store.spool.bytes

    # What app calls; none of it waits.

    def away_ns(self) -> int | None:
        """Since when there has been no broker; None while there is one."""
        return None if self.connected else self._lost_ns

    def describe(self, devices: Sequence[Device], columns: Sequence[Column]) -> None:
        """The devices and columns that rows speak of from now on."""
        self._shown.describe(devices, columns)

    def telemetry(self, at_ns: int, rows: Sequence[Row], stream: str = "main") -> None:
        """One round of readings; describe() has named every device in it."""
        assert self._shown.schema, "telemetry before describe()"
        if not self._thinning.keeps(stream, at_ns, 0 if self.connected else at_ns - self._lost_ns):
            self.counters["thinned"] += 1
            return
        bodies = records.batch_bodies(self._shown.schema, self._shown.index, at_ns, rows, self._is_late)
        self._backroom.put(Told(f"tele/{stream}", "tele", Rank.TELEMETRY, at_ns, bodies))

    def told(self, note: Note) -> None:
        """Something the core wants known."""
        if isinstance(note, CommandNote):
            self.commands.told(note)
        else:
            bodies = records.event_bodies(note, self._shown.index)
            self._backroom.put(Told("evt", "evt", Rank.EVENT, note.at_ns, bodies))

    def event(self, body: Body, at_ns: int | None = None) -> None:
        """An event that is no note of the core's, as its body (wire.md section 5)."""
        at_ns = self._clock.monotonic_ns() if at_ns is None else at_ns
        self._backroom.put(Told("evt", "evt", Rank.EVENT, at_ns, iter((body,))))

    def state(self, body: Body) -> None:
        """What `ctl` shows (records.ctl_body); published when more than measured watts changed, and every 60 s."""
        self._shown.state(body)

    def stop(self, reason: str) -> None:
        """Say goodbye and end run()."""
        self._stop_reason = reason
        self._stopping.set()

    # What runs.

    async def restore(self) -> None:
        """Take up what the journal kept: leases go to the sink, what an earlier start lost is declared."""
        self._prev = self._earlier.restore()
        if self._store is None or not self._store.spool.earlier:
            self._declare_earlier()
        self._mark()
        await self.commands.restore()

    def _declare_earlier(self) -> None:
        for lost in self._earlier.take_undeclared():
            boot, channel, mark = lost
            body = records.gap_body(mark, None, boot, "restart")
            self._declare(channel, body, done=partial(self._earlier.declared, lost))

    def _declare(
        self, channel: str, body: Body, low: int | None = None, done: Callable[[], None] | None = None
    ) -> None:
        seq, data = self._sealer.seal(channel, "gap", body)
        self.outbox.put(channel, seq, data, Rank.GAP, self._clock.monotonic_ns(), low=low, done=done)

    async def run(self) -> None:
        """Until stop(): seal what there is, keep a connection, and put on the disk what has to wait."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            working = [tasks.create_task(self._backroom.run(), name="uplink:seal")]
            if self._store is not None:
                working.append(tasks.create_task(self._store.run(), name="uplink:store"))
            await self._stay_connected()
            for task in working:
                task.cancel()
        if self._store is not None:
            await self._store.finish()

    async def _stay_connected(self) -> None:
        tries = 0
        while not self._stopping.is_set():
            try:
                await self._connect_once()
            except* Lost as lost:
                trouble = _first(lost)
                if self.connected or trouble != self.trouble:
                    log.warning("broker: %s", trouble)
                self.trouble = trouble
            if self.connected:
                self.connected = False
                self._lost_ns = self._clock.monotonic_ns()
                tries = 0
            if not self._stopping.is_set():
                pause_s = PAUSES_S[min(tries, len(PAUSES_S) - 1)] * self._jitter.uniform(0.5, 1.0)
                tries += 1
                await wait(self._stopping, pause_s)

    async def _connect_once(self) -> None:
        """One connection from CONNECT to its end; raises Lost (or a group of them) unless stop() ended it."""
        self.connections += 1
        death = self._sealer.seal("conn", "conn", {"st": "lost", "conn": self.connections})[1]
        connection = await self._wire.open(Will(self._sealer.address("conn").topic(self._root), death))
        try:
            await connection.subscribe([self._topic_of(agent) for agent in (self.settings.agent, ALL_AGENTS)])
            self.outbox.requeue()
            await self._publish(connection, "conn", self._sealer.seal("conn", "conn", self._birth())[1], retain=True)
            await self._shown.begin(partial(self._publish, connection, retain=True))
            self.connected = True
            self.trouble = ""
            log.info("broker: connected (connection %d)", self.connections)
            await self._serve(connection)
            await self._say_goodbye(connection)
        except BaseException:
            connection.abort()
            raise
        finally:
            self.outbox.requeue()
        await connection.close()

    async def _say_goodbye(self, connection: Connection) -> None:
        waiting = len(self.outbox) + len(self._backroom)
        self._mark(complete=not waiting and (self._store is None or self._store.spool.empty))
        goodbye = {"st": "stopped", "conn": self.connections, "why": self._stop_reason}
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                await self._publish(connection, "conn", self._sealer.seal("conn", "conn", goodbye)[1], retain=True)
        except TimeoutError:
            raise Lost("the broker did not take our goodbye") from None

    async def _serve(self, connection: Connection) -> None:
        """Everything at once, until stop() and what is still waiting is away."""
        async with asyncio.TaskGroup() as tasks:
            window = asyncio.Semaphore(WINDOW - 2)
            running = [
                tasks.create_task(self._receive(connection), name="uplink:receive"),
                tasks.create_task(self._send(connection, window, tasks), name="uplink:send"),
                tasks.create_task(self._send_backlog(connection), name="uplink:backlog"),
                tasks.create_task(self._show(connection), name="uplink:show"),
            ]
            await self._stopping.wait()
            try:
                async with asyncio.timeout(STOP_WITHIN_S):
                    await self._all_delivered()
            except TimeoutError:
                log.warning("stopping with %d records unsent", len(self.outbox))
            for task in (*running, *self._delivering):
                task.cancel()

    async def _all_delivered(self) -> None:
        while len(self.outbox) + len(self._backroom):
            self._progress.clear()
            await self._progress.wait()

    async def _receive(self, connection: Connection) -> None:
        """Each message is judged to its end, whatever becomes of the connection meanwhile."""
        assert self._tasks is not None
        while True:
            message = await connection.receive()
            judging = self._tasks.create_task(
                self.commands.receive(message.topic, self._root, message.data, retained=message.retained),
                name="uplink:command",
            )
            if await asyncio.shield(judging):
                message.acknowledge()

    async def _send(self, connection: Connection, window: asyncio.Semaphore, tasks: asyncio.TaskGroup) -> None:
        while True:
            await window.acquire()
            item = await self._next_item()
            task = tasks.create_task(self._deliver(connection, item), name=f"uplink:{item.channel}:{item.seq}")
            self._delivering.add(task)
            task.add_done_callback(self._delivering.discard)
            task.add_done_callback(lambda _: window.release())

    async def _next_item(self) -> Item:
        while True:
            self._wake_sending.clear()
            for loss in self.outbox.take_losses():
                body = records.gap_body(loss.first, loss.last, loss.of or self._sealer.boot, loss.why)
                self._declare(loss.channel, body, loss.first if loss.of is None else None)
            item = self.outbox.take()
            if item is not None:
                return item
            await self._wake_sending.wait()

    async def _send_backlog(self, connection: Connection) -> None:
        while True:
            if self._store is not None:
                await self._store.send(partial(self._publish, connection), BACKLOG_EVERY_S)
                if not self._store.spool.earlier:
                    self._declare_earlier()
                    self._wake_sender()
            while (item := self.outbox.take_backlog()) is not None:
                await self._deliver(connection, item)
                await asyncio.sleep(BACKLOG_EVERY_S)
            await asyncio.sleep(STORE_EVERY_S)

    async def _deliver(self, connection: Connection, item: Item) -> None:
        await self._publish(connection, item.channel, item.data)
        self.outbox.delivered(item)
        self._progress.set()

    async def _show(self, connection: Connection) -> None:
        await self._shown.keep_showing(partial(self._publish, connection, retain=True), self._mark)

    async def _publish(self, connection: Connection, channel: str, data: bytes, *, retain: bool = False) -> None:
        await connection.publish(self._sealer.address(channel).topic(self._root), data, retain=retain)

    def _sealed(self) -> None:
        self._wake_sending.set()
        if len(self._sealer.next_seq) > self._channels_marked:
            self._mark()  # a kill must find this channel in the journal, or nobody would declare what it lost

    def _wake_sender(self) -> None:
        self._wake_sending.set()

    def _is_late(self) -> bool:
        return not self.connected

    def _answer(self, issuer: str, body: Body, done: Callable[[], None] | None) -> None:
        """A command's status, from commands.py."""
        channel = f"ack/{issuer}"
        seq, data = self._sealer.seal(channel, "ack", body)
        self.outbox.put(channel, seq, data, Rank.ACK, self._clock.monotonic_ns(), done=done)
        self._wake_sending.set()
        self._shown.wake()  # leases may have changed

    def _alarm(self, why: str) -> None:
        log.warning("%s", why)
        self.event({"ev": None, "k": "alarm", "why": records.clipped(why)})

    def _birth(self) -> Body:
        return {
            "st": "online",
            "conn": self.connections,
            "epoch": self._epoch,
            "agent_ver": self.settings.agent_ver,
            "api": [records.VERSION],
            "control": self.settings.control,
            "commissioned": self.settings.commissioned,
            "prev": self._prev,
            "kid": self._sealer.signer.kid.hex(),
            "keys_ver": self._keyring.ver if self._keyring else None,
        }

    def _mark(self, *, complete: bool = False) -> None:
        """Put into the journal, soon, from where on a channel's records may not have arrived."""
        # Events from the start: the first may be in the core's journal as told, and a kill come before it is sealed.
        next_seqs = {"evt": 0, **self._sealer.next_seq}
        channels = {
            channel: self.outbox.undelivered_from(channel, next_seq)
            for channel, next_seq in next_seqs.items()
            if channel == "evt" or channel.startswith("tele/")
        }
        self._channels_marked = len(self._sealer.next_seq)
        self._earlier.post(self._sealer.boot, channels, complete=complete)

    def _topic_of(self, agent: str) -> str:
        return f"{self._root}/v{records.VERSION}/{self.settings.site}/{agent}/cmd/+"


def _first(group: BaseExceptionGroup[Lost]) -> str:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else str(inner)
