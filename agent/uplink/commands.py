"""Commands in: from bytes that anyone may have sent to a limit that is obeyed (docs/wire.md sections 2 and 6).

    size -> envelope -> key known -> signature for this address     refused without a word, counted
      -> issuer's channel -> rate -> JSON -> schema                 now the signer is known: refused with a status
      -> seen before: its status again
      -> freshness -> replay -> policy (op, scope, role by effect)
      -> durable -> the sink obeys -> status `accepted`

A sequence number is spent by every command of our epoch that is understood, also a refused one: what was refused once
can never be sent again by somebody else. The story that says so (agent/uplink/stories.py) is durable before the status
goes out, and `receive` returns after that: then, and only then, the broker gets its PUBACK.

Afterwards the core tells how it goes (`told`): applied, verified or unverified, ended. Each status is sent once more
after a restart unless the broker had it, and again whenever the same command comes again.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping

from msgspec.structs import replace

from agent.core.notes import CommandNote
from agent.uplink import checks, records
from agent.uplink.checks import Asked, Moment, Policy
from agent.uplink.command_body import Command, read_command
from agent.uplink.keyring import COMMAND_ROLES, KeyRecord, Keyring
from agent.uplink.needs import Clock, CommandSink, Keeper
from agent.uplink.rates import Bucket
from agent.uplink.records import ALL_AGENTS, SMALL_BYTES_MAX, Address, Body, LeaseState, RecordError
from agent.uplink.sealing import JSON_TYPE, Envelope, SealError, digest, open_envelope
from agent.uplink.stories import NS_PER_MS, RANK, Limit, Stories, Story

COMMANDS_PER_S, COMMANDS_BURST = 20.0, 40
BAD_PER_S, BAD_BURST = 5.0, 5
LIMITS_MAX = 60  # in force at once; the board has room for 64
ALARM_EVERY_NS = 60_000_000_000

Answer = Callable[[str, Body, Callable[[], None] | None], None]

log = logging.getLogger(__name__)


class Commands:
    """All commands of one agent, from the wire to the sink and back."""

    def __init__(
        self,
        site: str,
        agent: str,
        *,
        keyring: Keyring | None,
        keeper: Keeper,
        sink: CommandSink,
        clock: Clock,
        boot: str,
        up_ms: Callable[[int], int],
        epoch: int,
        policy: Policy,
        answer: Answer,
        alarm: Callable[[str], None],
        counters: Counter[str],
    ) -> None:
        self._site = site
        self._agent = agent
        self._keys: Mapping[bytes, KeyRecord] = keyring.keys if keyring else {}
        self._sink = sink
        self._clock = clock
        self._boot = boot
        self._up_ms = up_ms
        self._epoch = epoch
        self._policy = policy
        self._answer = answer
        self._alarm = alarm
        self._counters = counters
        self._stories = Stories(keeper)
        self._one_at_a_time = asyncio.Lock()
        now_ns = clock.monotonic_ns()
        issuers = {key.issuer for key in self._keys.values()}
        self._rates = {issuer: Bucket(COMMANDS_PER_S, COMMANDS_BURST, now_ns) for issuer in issuers}
        # One bucket for all channels that no key belongs to: there is no end of those.
        self._bad = {issuer: Bucket(BAD_PER_S, BAD_BURST, now_ns) for issuer in (*issuers, "")}
        self._alarmed_ns: dict[str, int] = {}

    async def restore(self) -> None:
        """Take up what the journal kept: limits go to the sink again, statuses the broker may lack are sent again."""
        self._stories.load()
        now_ns, machine_boot = self._clock.monotonic_ns(), self._clock.machine_boot()
        ended_by = {story.releases: "released" for story in self._stories if story.releases is not None}
        newest: dict[tuple[str, str], Story] = {}
        for story in self._stories:  # in the order of their sequence numbers
            if story.limit is not None:
                older = newest.get((story.issuer, story.limit.circuit))
                if older is not None:
                    ended_by.setdefault(older.id, "superseded")
                newest[story.issuer, story.limit.circuit] = story
        for story in self._stories:
            if story.told_n < story.n:
                self._send(story)
            limit = story.limit
            if limit is None:
                continue
            if story.id in ended_by:
                self._story_ends(story, ended_by[story.id])
                continue
            if story.machine_boot != machine_boot:
                # How long the machine was off nobody knows: the lease starts again in full (design.md 4.4).
                limit = replace(limit, from_ns=now_ns, until_ns=now_ns + limit.lasts_ms * NS_PER_MS)
                story = replace(story, limit=limit, machine_boot=machine_boot, rx_ns=now_ns)
                self._stories.post(story)
            if limit.until_ns <= now_ns:
                self._story_ends(story, "lease")
            else:
                self._sink.lease(story.lease())

    async def receive(self, topic: str, root: str, data: bytes, *, retained: bool) -> bool:
        """Judge one message; True when it is durably stored or durably refused, so that it may be acknowledged.

        It must not be cancelled once begun: what is on its way to the disk would be there and nobody would know.
        """
        async with self._one_at_a_time:
            return await self._receive(topic, root, data, retained=retained)

    async def _receive(self, topic: str, root: str, data: bytes, *, retained: bool) -> bool:
        now_ns = self._clock.monotonic_ns()
        try:
            address = records.address_of(topic, root)
        except RecordError as error:
            self._counters[error.code] += 1
            return True
        issuer = address.channel.removeprefix("cmd/")
        bad = self._bad.get(issuer, self._bad[""])
        if bad.is_empty(now_ns):
            self._counters["throttled"] += 1
            self._alarm_about(issuer, now_ns)
            return True
        try:
            envelope = open_envelope(data, SMALL_BYTES_MAX)
            key = self._known_key(envelope, address)
        except SealError as error:
            bad.take(now_ns)
            self._counters[error.code] += 1
            log.info("refused on %s: %s", address, error.detail)
            return True
        return await self._judge(address, envelope, key, data, now_ns, retained=retained)

    def told(self, note: CommandNote) -> None:
        """How the core says a command is going."""
        story = self._stories.get(note.command)
        if story is None or RANK[note.state] <= RANK[story.state]:
            return
        self._advance(
            replace(
                story,
                state=note.state,
                code=note.code or None,
                before_kw=_kw_or(note.before_w, story.before_kw),
                after_kw=records.kilowatts(note.after_w),
                meas=records.measured_body(note.meter, note.net_w, note.age_ns) or story.meas,
                dev={"ok": note.ok, "fail": note.fail},
                limit=None if RANK[note.state] == RANK["ended"] else story.limit,
            ),
            note.at_ns,
        )

    def leases(self) -> list[LeaseState]:
        """The limits in force, for `ctl`."""
        now_ns = self._clock.monotonic_ns()
        return [
            LeaseState(
                story.id,
                story.issuer,
                story.limit.circuit,
                story.limit.watts,
                max(0, (story.limit.until_ns - now_ns) // NS_PER_MS),
                story.limit.after,
            )
            for story in self._stories
            if story.limit is not None
        ]

    def _known_key(self, envelope: Envelope, address: Address) -> KeyRecord:
        key = self._keys.get(envelope.kid)
        if key is None:
            raise SealError("bad_sig", f"no key {envelope.kid.hex()} in the keyring")
        if address.site != self._site or address.agent not in (self._agent, ALL_AGENTS):
            raise SealError("bad_addr", f"not for {self._site}/{self._agent}")
        envelope.verify(key.public, str(address))
        return key

    async def _judge(
        self, address: Address, envelope: Envelope, key: KeyRecord, data: bytes, now_ns: int, *, retained: bool
    ) -> bool:
        """Everything after the signature."""
        name = digest(data)
        moment = Moment(
            now_ns,
            self._up_ms(now_ns),
            self._clock.wall_ms(),
            self._boot,
            self._epoch,
            address.agent == ALL_AGENTS,
            retained,
        )
        command: Command | None = None
        try:
            if address.channel != f"cmd/{key.issuer}":
                raise RecordError("bad_addr", f"{key.issuer} on {address.channel}")
            if not self._rates[key.issuer].take(now_ns):
                raise RecordError("busy", "more than 20 commands a second")
            command = _read(envelope)
            if command.iss != key.issuer:
                raise RecordError("bad_addr", f"iss {command.iss} signed by {key.issuer}")
            story = self._stories.get(command.id)
            if story is not None:
                if story.digest != name:
                    raise RecordError("id_reuse", f"{command.id} was another command")
                self._counters["duplicate"] += 1
                self._send(story)
                return True
            asked, code = self._check(command, key, moment)
        except RecordError as error:
            self._refuse(key.issuer, None if command is None else command.id, name, error)
            return True
        if code in ("epoch", "replay"):
            # What makes these wrong is durable already, so no story has to say it.
            self._refuse(key.issuer, command.id, name, RecordError(code, f"seq {command.seq} epoch {command.epoch}"))
            return True
        return await self._tell(command, asked, code, name, now_ns)

    def _check(self, command: Command, key: KeyRecord, moment: Moment) -> tuple[Asked, str | None]:
        """What it comes to, and why not."""
        limits = {story.id: story.limit for story in self._stories if story.limit is not None}
        own = {
            story.limit.circuit: story.limit
            for story in self._stories
            if story.limit is not None and story.issuer == key.issuer
        }
        refused: str | None = None
        try:
            asked = checks.asked_of(command, moment, self._policy, self._sink.circuits(), own, limits)
        except RecordError as error:
            if error.code == "bad_schema":
                raise
            asked, refused = Asked(raises=True), error.code
        stale = checks.not_fresh(command, moment, self._policy, raises=asked.raises)
        if stale is not None:
            return asked, stale
        if command.seq <= self._stories.last_seq(key.issuer):
            return asked, "replay"
        if not key.roles & COMMAND_ROLES or not _valid(key, moment):
            return asked, "bad_role"
        if asked.limit is not None and asked.circuit not in own and len(limits) >= LIMITS_MAX:
            return asked, "busy"
        return asked, refused or checks.not_allowed(command, asked, key, moment)

    async def _tell(self, command: Command, asked: Asked, code: str | None, name: str, now_ns: int) -> bool:
        """Make the verdict durable, obey it, answer it."""
        before_kw = records.kilowatts(self._sink.circuits().get(asked.circuit or ""))
        story = Story(
            command.id,
            command.iss,
            command.seq,
            name,
            command.op,
            "rejected" if code else "accepted",
            now_ns,
            self._clock.machine_boot(),
            code=code,
            t_ms={"rx": 0},
            before_kw=before_kw,
            after_kw=_after_kw(before_kw, asked.limit) if code is None else before_kw,
            dry=command.dry,
            observe=self._sink.observe(),
        )
        if code is None and not command.dry:
            story = replace(story, limit=asked.limit, releases=asked.releases)
        superseded = self._superseded(story)
        try:
            await self._stories.keep(story)
        except OSError as error:
            # Neither accepted nor refused: no answer, no PUBACK, and the broker brings it again.
            self._counters["internal"] += 1
            log.warning("command %s is not durable: %s", command.id, error)
            return False
        self._counters[code or "accepted"] += 1
        at_ns = self._clock.monotonic_ns()
        story = replace(story, t_ms={"rx": 0, story.state: (at_ns - now_ns) // NS_PER_MS})
        self._stories.post(story)
        if story.limit is not None:
            self._sink.lease(story.lease())
        self._send(story)
        for old in superseded:
            self._end(old, "superseded", story.after_kw)
        if code is None and story.limit is None and not command.dry:
            if story.releases is not None and (old_story := self._stories.get(story.releases)) is not None:
                self._end(old_story, "released")
            # Nothing more will happen to a release or a ping.
            self._advance(replace(story, state="applied"), self._clock.monotonic_ns())
        return True

    def _superseded(self, story: Story) -> list[Story]:
        """The issuer's other limits on the same circuit."""
        limit = story.limit
        if limit is None:
            return []
        return [
            old
            for old in self._stories
            if old.limit is not None and old.issuer == story.issuer and old.limit.circuit == limit.circuit
        ]

    def _end(self, story: Story, code: str, after_kw: float | None = None) -> None:
        """A limit is over before its time."""
        self._sink.release(story.id, code)
        self._story_ends(story, code, after_kw)

    def _story_ends(self, story: Story, code: str, after_kw: float | None = None) -> None:
        before_apply = code == "superseded" and story.state == "accepted"
        state = "superseded" if before_apply else "ended"
        ended = replace(story, state=state, code=code, limit=None, before_kw=story.after_kw, after_kw=after_kw)
        self._advance(ended, self._clock.monotonic_ns())

    def _advance(self, story: Story, at_ns: int) -> None:
        """The next status: counted, durable soon, sent."""
        t_ms = dict(story.t_ms)
        if story.machine_boot == self._clock.machine_boot():
            t_ms[story.state] = max(0, (at_ns - story.rx_ns) // NS_PER_MS)
        story = replace(story, n=story.n + 1, t_ms=t_ms)
        self._stories.post(story)
        self._send(story)

    def _send(self, story: Story) -> None:
        self._answer(story.issuer, story.status(), lambda: self._delivered(story.id, story.n))

    def _delivered(self, command: str, n: int) -> None:
        story = self._stories.get(command)
        if story is not None and story.told_n < n:
            self._stories.post(replace(story, told_n=n))

    def _refuse(self, issuer: str, command: str | None, name: str, error: RecordError) -> None:
        """A status for a command that leaves no story."""
        self._counters[error.code] += 1
        log.info("refused a command of %s: %s", issuer, error)
        status = {"id": command, "cmd": name, "st": "rejected", "n": 0, "code": error.code, "t_ms": {"rx": 0}}
        self._answer(issuer, status, None)

    def _alarm_about(self, issuer: str, now_ns: int) -> None:
        issuer = issuer if issuer in self._bad else ""
        last_ns = self._alarmed_ns.get(issuer)
        if last_ns is None or now_ns - last_ns >= ALARM_EVERY_NS:
            self._alarmed_ns[issuer] = now_ns
            whose = f"for {issuer}" if issuer else "for no issuer we know"
            self._alarm(f"more than 5 messages a second {whose} that do not verify; they are no longer looked at")


def _read(envelope: Envelope) -> Command:
    if envelope.content_type != JSON_TYPE:
        raise RecordError("bad_schema", f"content type {envelope.content_type!r}; commands are JSON")
    return read_command(records.read_json(envelope.payload, SMALL_BYTES_MAX))


def _valid(key: KeyRecord, moment: Moment) -> bool:
    """Whether the key may be used now; a key with dates may not while nobody knows the date."""
    if key.not_before_ms is None and key.expires_ms is None:
        return True
    if moment.wall_ms is None:
        return False
    return (key.not_before_ms or 0) <= moment.wall_ms and (key.expires_ms is None or moment.wall_ms < key.expires_ms)


def _after_kw(before_kw: float | None, limit: Limit | None) -> float | None:
    if limit is None:
        return before_kw
    asked_kw = records.kilowatts(limit.watts)
    return asked_kw if before_kw is None or asked_kw is None else min(before_kw, asked_kw)


def _kw_or(watts: float | None, otherwise: float | None) -> float | None:
    return otherwise if watts is None else records.kilowatts(watts)
