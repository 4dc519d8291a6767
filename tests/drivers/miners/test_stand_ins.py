"""Every family against its stand-in, without a socket: read, told in one round trip, refused, forgotten, lied to, cut.

Stand-ins are written from captures and documents and share no code with the drivers: where the two agree, both read the
same source the same way; where they don't, one of them is wrong.
"""

import json
from collections.abc import Callable

import pytest
from msgspec import structs

from drivers.errors import DeviceError, Refused
from drivers.miners.dialect import READ_ONLY, Account, Dialect, Heard, Request, Secret, Seen, State, Verdict
from drivers.miners.families import FAMILIES, speak
from drivers.miners.framing import splitter
from hil.dialects import SPEAKERS
from hil.dialects.antminer import Antminer, OldAntminer
from hil.dialects.speaker import Speaker
from hil.dialects.whatsminer import OldWhatsminer
from hil.miner import Lie, Miner, load_families
from hil.miner_replies import DIALECTS

S = 1_000_000_000
PHYSICS = load_families()
CONTROLLED = sorted(SPEAKERS.keys() - {"hiveon", "mara"})
LOGS_ON = [name for name in CONTROLLED if name not in ("bitaxe",)]

Spoil = Callable[[bytes], bytes]


class Bench:
    """One stand-in and one dialect, and a clock between them."""

    def __init__(
        self,
        family: str,
        *,
        password: str | None = None,
        writes: bool = True,
        unverified: bool = False,
        make: Callable[[Miner], Speaker] | None = None,
    ) -> None:
        physics = structs.replace(PHYSICS[family], stuck=0.0)
        self.miner = Miner("127.9.9.1", physics, 3300.0, "seed")
        self.speaker: Speaker = (make or SPEAKERS[family])(self.miner)
        word = self.speaker.password if password is None else password
        self.dialect: Dialect = speak(family, Account("", Secret(word), writes, unverified))
        self.now_ns = 1_000 * S
        self.asked: list[Request] = []
        self.seen: Seen | None = None
        self.spoil: Spoil = lambda reply: reply
        self.piece = 1 << 20

    def hear(self, request: Request) -> bytes:
        """One request answered, as it comes out of a connection."""
        port = request.port or self.dialect.port
        assert self.speaker.whole(port, request.raw), "it would wait for more"
        self.asked.append(request)
        reply = self.spoil(self.speaker.answer(port, request.raw, self.now_ns))
        cutter = splitter(request.framing, 1 << 20)
        for at in range(0, len(reply), self.piece):
            whole = cutter.feed(reply[at : at + self.piece])
            if whole is not None:
                return whole
        return cutter.held

    def poll(self) -> State:
        poll = self.dialect.poll(self.seen, self.now_ns)
        try:
            request = next(poll)
            while True:
                request = poll.send(Heard(self.hear(request), self.now_ns))
        except StopIteration as done:
            state: State = done.value
            self.seen = state.seen
            return state

    def tell(self, step: str) -> Verdict:
        requests = self.dialect.set_requests(step, self.seen, self.now_ns)
        assert len(requests) == 1, "an armed verb is one round trip"
        return self.dialect.decode_answer(step, self.hear(requests[0]), self.seen)

    def later(self, seconds: float) -> None:
        self.now_ns += round(seconds * S)

    def stamps(self) -> list[str | None]:
        return [self.speaker.told_step(request.port or self.dialect.port, request.raw) for request in self.asked]


@pytest.mark.parametrize("family", sorted(SPEAKERS))
def test_it_is_read_the_same_whole_and_byte_by_byte(family: str) -> None:
    bench = Bench(family)
    whole = bench.poll()
    bench.seen, bench.piece = None, 1

    dripped = bench.poll()

    assert structs.replace(whole, seen=Seen()) == structs.replace(dripped, seen=Seen())
    assert whole.step == "on"
    assert whole.hash_rate_ths is not None
    assert whole.hash_rate_ths > 0


@pytest.mark.parametrize("family", CONTROLLED)
def test_it_is_told_in_one_round_trip_and_says_so_afterwards(family: str) -> None:
    bench = Bench(family)
    bench.poll()

    down = bench.tell("off")
    bench.later(400)
    asleep = bench.poll()
    up = bench.tell("on")
    bench.later(900)
    awake = bench.poll()

    assert (down.outcome, asleep.step, up.outcome, awake.step) == ("ok", "off", "ok", "on"), (down, asleep, up, awake)
    assert [step for step in bench.stamps() if step] == ["off", "on"]
    assert bench.miner.watts(bench.now_ns) == 3300.0


@pytest.mark.parametrize("family", CONTROLLED)
def test_what_is_already_so_is_good(family: str) -> None:
    bench = Bench(family)
    bench.poll()
    bench.tell("off")
    bench.later(60)
    bench.poll()

    assert bench.tell("off").outcome == "ok"


@pytest.mark.parametrize("family", sorted(SPEAKERS))
def test_an_observer_sends_nothing_but_reads(family: str) -> None:
    bench = Bench(family, writes=False)

    for _ in range(3):
        bench.poll()
        bench.later(10)

    ports = [request.port or bench.dialect.port for request in bench.asked]
    assert not any(bench.speaker.is_write(port, request.raw) for port, request in zip(ports, bench.asked, strict=True))


@pytest.mark.parametrize("family", CONTROLLED)
def test_a_refusal_is_told_with_its_words(family: str) -> None:
    bench = Bench(family)
    bench.poll()
    bench.speaker.denied = True

    verdict = bench.tell("off")

    assert (verdict.outcome, verdict.passes) == ("refused", False)
    assert verdict.detail
    assert bench.miner.told_on


@pytest.mark.parametrize("family", LOGS_ON)
def test_a_token_that_died_passes_and_the_next_poll_gets_another(family: str) -> None:
    bench = Bench(family)
    bench.poll()
    bench.speaker.forget()

    first = bench.tell("off")
    if first.outcome == "ok":  # this family's verb carries all that it needs
        return
    bench.seen = None
    bench.poll()
    second = bench.tell("off")

    assert (first.outcome, first.passes, second.outcome) == ("refused", True, "ok"), (first, second)


@pytest.mark.parametrize("family", LOGS_ON)
def test_a_wrong_password_tells_nothing_and_is_not_tried_at_every_poll(family: str) -> None:
    bench = Bench(family, password="wrong")

    for _ in range(3):
        try:
            bench.poll()
        except Refused:
            continue
        finally:
            bench.later(10)
    for request in bench.dialect.set_requests("off", bench.seen, bench.now_ns):
        assert bench.dialect.decode_answer("off", bench.hear(request), bench.seen).outcome == "refused"

    assert bench.miner.told_on


@pytest.mark.parametrize("family", LOGS_ON)
def test_without_a_password_it_is_only_read(family: str) -> None:
    assert speak(family, Account(password=None)).steps == READ_ONLY


@pytest.mark.parametrize("family", sorted(SPEAKERS))
def test_the_faults_of_its_real_ones_are_mended(family: str) -> None:
    bench = Bench(family)
    well = bench.poll()
    bench.speaker.malformed = True

    state = bench.poll()

    assert (state.step, state.watts) == (well.step, well.watts)


@pytest.mark.parametrize("family", sorted(SPEAKERS))
@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.8, 0.97])
def test_a_reply_that_is_cut_never_makes_a_state_that_is_not_so(family: str, share: float) -> None:
    bench = Bench(family)
    well = bench.poll()
    bench.spoil = lambda reply: reply[: int(len(reply) * share)]
    bench.seen = None

    try:
        state = bench.poll()
    except DeviceError:
        return

    assert state.step in (None, well.step)
    assert state.watts in (None, well.watts)
    assert state.hash_rate_ths in (None, well.hash_rate_ths)


@pytest.mark.parametrize("family", CONTROLLED)
@pytest.mark.parametrize(
    "reply", [b"", b"<html>no</html>", b"\xff\xff\xff\x7f", b'{"a":', b"[]", b"HTTP/1.1 200 OK\r\n\r\n"]
)
def test_nonsense_is_never_an_acknowledgement(family: str, reply: bytes) -> None:
    bench = Bench(family)
    bench.poll()

    said = bench.dialect.decode_answer("off", reply, bench.seen)

    assert said.outcome == "garbled" or reply.startswith(b"HTTP"), said
    bench.spoil = lambda _: reply
    bench.seen = None
    try:
        state = bench.poll()
    except DeviceError:
        return
    assert state.step is None


@pytest.mark.parametrize("family", CONTROLLED)
def test_one_that_lies_is_read_as_it_says(family: str) -> None:
    told = {}
    for lie in (Lie.DEAF, Lie.LIAR):
        bench = Bench(family)
        bench.miner.lie = lie
        bench.poll()
        assert bench.tell("off").outcome == "ok"
        bench.later(60)
        told[lie] = bench.poll().step

    assert told == {Lie.DEAF: "on", Lie.LIAR: "off"}


@pytest.mark.parametrize("family", ["hiveon", "mara"])
def test_verbs_that_nobody_has_proven_are_sent_only_where_the_operator_allows_it(family: str) -> None:
    shy, bold = Bench(family), Bench(family, unverified=True)
    shy.poll()
    bold.poll()

    assert (shy.dialect.steps, shy.dialect.set_requests("off", shy.seen, shy.now_ns)) == (READ_ONLY, ())
    assert bold.tell("off").outcome == "ok"
    bold.later(400)
    assert bold.poll().step == "off"
    assert bold.tell("on").outcome == "ok"
    bold.later(900)
    assert bold.poll().step == "on"


def test_an_antminer_of_the_form_dialect_is_told_with_254_and_woken_with_0() -> None:
    bench = Bench("antminer", make=OldAntminer)
    assert isinstance(bench.speaker, OldAntminer)
    pools = list(bench.speaker.pools)
    bench.poll()

    down = bench.tell("off")
    bench.later(400)
    asleep = bench.poll().step
    up = bench.tell("on")

    assert (down.outcome, asleep, up.outcome, bench.miner.told_on) == ("ok", "off", "ok", True)
    assert bench.speaker.pools == pools
    assert [step for step in bench.stamps() if step] == ["off", "on"]


def test_an_antminer_keeps_its_pools_and_fans_through_a_write() -> None:
    bench = Bench("antminer")
    assert isinstance(bench.speaker, Antminer)
    pools, fan = list(bench.speaker.pools), dict(bench.speaker.fan)
    bench.poll()

    bench.tell("off")

    assert (bench.speaker.pools, bench.speaker.fan) == (pools, fan)


@pytest.mark.parametrize("missing", [b'"pools"', b'"bitmain-work-mode"'])
def test_an_antminer_whose_configuration_is_not_as_known_is_never_written_to(missing: bytes) -> None:
    bench = Bench("antminer")
    bench.spoil = lambda reply: reply.replace(missing, b'"' + b"x" * (len(missing) - 2) + b'"')

    state = bench.poll()

    assert bench.dialect.set_requests("off", bench.seen, bench.now_ns) == ()
    assert "not told" in state.detail


def test_an_antminer_with_a_level_that_is_none_is_never_written_to() -> None:
    bench = Bench("antminer")
    bench.spoil = lambda reply: reply.replace(b'"bitmain-freq-level":"100"', b'"bitmain-freq-level":[100]')
    bench.poll()

    assert bench.dialect.set_requests("off", bench.seen, bench.now_ns) == ()


def test_an_antminer_that_was_told_to_sleep_and_hashes_says_on() -> None:
    bench = Bench("antminer")
    bench.spoil = lambda reply: reply.replace(b'"bitmain-work-mode":"0"', b'"bitmain-work-mode":"1"')

    state = bench.poll()

    assert (state.step, state.detail) == ("on", "told to sleep, and hashing")


def test_a_vnish_whose_password_is_wrong_is_not_locked_by_our_tries() -> None:
    bench = Bench("vnish", password="wrong")

    for _ in range(12):
        bench.poll()
        bench.later(10)

    assert sum(b"/unlock" in request.raw for request in bench.asked) == 1


def test_an_auradine_is_believed_by_its_field_and_not_by_its_words() -> None:
    bench = Bench("auradine")
    bench.speaker.malformed = True

    assert bench.poll().step == "on"


def test_a_whatsminer_of_old_firmware_is_asked_by_command() -> None:
    bench = Bench("whatsminer", make=OldWhatsminer)
    bench.poll()
    first = len(bench.asked)
    bench.poll()

    assert [request.raw for request in bench.asked[first:]] == [b'{"command":"status"}', b'{"command":"summary"}']
    assert bench.tell("off").outcome == "ok"


def test_a_whatsminers_token_is_renewed_before_it_dies_and_not_at_every_poll() -> None:
    bench = Bench("whatsminer")

    for _ in range(200):
        bench.poll()
        bench.later(10)

    assert sum(b"get_token" in request.raw for request in bench.asked) == 2


def test_a_verb_of_the_v3_api_is_signed_with_the_miners_own_time() -> None:
    bench = Bench("whatsminer-v3")
    bench.poll()
    first = bench.dialect.set_requests("off", bench.seen, bench.now_ns)[0].raw
    bench.later(9)

    second = bench.dialect.set_requests("off", bench.seen, bench.now_ns)[0].raw

    assert json.loads(second[4:])["ts"] == json.loads(first[4:])["ts"] + 9


@pytest.mark.parametrize("family", sorted(SPEAKERS))
def test_no_password_shows_in_what_is_kept_or_told(family: str) -> None:
    bench = Bench(family, unverified=True)
    state = bench.poll()

    shown = repr(bench.seen) + repr(state) + repr(bench.dialect) + state.detail

    for secret in ("letmein", '"x"', "aaa.1"):
        assert secret not in shown
    if bench.speaker.password:
        assert f"'{bench.speaker.password}'" not in shown


def test_every_family_that_is_controlled_has_a_stand_in() -> None:
    assert FAMILIES.keys() - {"auto", "unknown"} == SPEAKERS.keys() | DIALECTS
