"""Each judge fires: a clean history passes every one of them, and one doctored line in it is found by the judge that
must find it.
"""

import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.sim.judges import judge_all
from tests.sim.judges.envelope import seal
from tests.sim.judges.outside import NS_PER_S, Asks, Life, Message, Outside, Rules, Seen, Sent, Talk, asks

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
LOADS = [f"10.0.0.{number}" for number in range(1, 11)]
LOAD_W = 10_000.0
UNMETERED_W = 5_000.0
ROOT, SITE = "ballast", "v1/site/ctl"


def rules(**changes: Any) -> Rules:
    written: dict[str, Any] = {
        "observe": False,
        "circuit": "poi",
        "limit_w": 110_000.0,
        "margin_w": 1_000.0,
        "unmetered_w": UNMETERED_W,
        "ramp_up_w_per_s": 1_000.0,
        "jump_up_w": 20_000.0,
        "min_off_ns": 60 * NS_PER_S,
        "blind_after_ns": 5 * NS_PER_S,
        "fallback_w": 30_000.0,
        "ramp_down_w_per_s": 20_000.0,
        "shed_below_hz": 49.5,
        "shed_w": 40_000.0,
        "release_above_hz": 49.8,
        "release_for_ns": 30 * NS_PER_S,
        "confirm_refreshes": 1,
        "refresh_ns": NS_PER_S // 5,
        "poll_ns": NS_PER_S // 20,
        "load_poll_ns": 10 * NS_PER_S,
        "nominal_ln_v": 230.0,
        "noise_w": 10.0,
    }
    return Rules(**{**written, **changes})


class Tape:
    """A history written by hand: who was told what and when, and what the meter showed."""

    def __init__(self, until_s: float = 400.0, **changes: Any) -> None:
        self.rules = rules(**changes)
        self.until_s = until_s
        self.talks: list[Talk] = []
        self.lives = [Life(1, 0, None)]
        self.dips: list[tuple[float, float, float]] = []  # from, to, hz
        self.silences: list[tuple[float, float]] = []
        self.changes: list[tuple[float, str, bool]] = []  # s, load, on: what the loads truly did
        self.sent: list[Sent] = []
        self.messages: list[Message] = []
        for load in LOADS:
            for at_s in range(2, int(until_s), 10):
                self.read(load, at_s)

    def read(self, load: str, at_s: float, life: int = 1) -> None:
        at_ns = round(at_s * NS_PER_S)
        says = self._on(load, at_ns)
        self.talks.append(Talk(load, life, at_ns, Asks.READ, at_ns + 10, at_ns + 20, at_ns + 30, says))

    def verb(
        self, load: str, at_s: float, kind: Asks, *, answered: bool = True, obeyed: bool = True, life: int = 1
    ) -> None:
        at_ns = round(at_s * NS_PER_S)
        self.talks.append(Talk(load, life, at_ns, kind, at_ns + 10, at_ns + 20, at_ns + 30 if answered else None))
        if obeyed:
            self.changes.append((at_s, load, kind is Asks.ON))

    def _on(self, load: str, at_ns: int) -> bool:
        told = [on for at_s, name, on in sorted(self.changes) if name == load and at_s * NS_PER_S <= at_ns]
        return told[-1] if told else True

    def watts(self, load: str, at_ns: int) -> float:
        return LOAD_W if self._on(load, at_ns) else 0.0

    def record(self, at_s: float, channel: str, body: dict[str, Any]) -> None:
        address = f"{SITE}/{channel}"
        self.messages.append(Message(round(at_s * NS_PER_S), 1, f"{ROOT}/{address}", seal(body, address, KEY), False))

    def outside(self) -> Outside:
        seen = []
        for number in range(int(self.until_s * 5)):
            at_ns = number * NS_PER_S // 5 + 1_000_000
            at_s = at_ns / NS_PER_S
            if any(from_s <= at_s < to_s for from_s, to_s in self.silences):
                continue
            hz = next((low for from_s, to_s, low in self.dips if from_s <= at_s < to_s), 50.0)
            net_w = UNMETERED_W + sum(self.watts(load, at_ns) for load in LOADS)
            life = next((life.number for life in self.lives if life.from_ns <= at_ns <= (life.to_ns or at_ns)), 0)
            if life:
                seen.append(Seen(at_ns, life, number, net_w, hz, (230.0, 230.0, 230.0)))
        return Outside(
            rules=self.rules,
            now_ns=round(self.until_s * NS_PER_S),
            lives=self.lives,
            talks=sorted(self.talks, key=lambda talk: talk.opened_ns),
            seen=seen,
            rated_w=dict.fromkeys(LOADS, LOAD_W),
            watts=self.watts,
            settles=self.watts,
            unmetered=lambda _: UNMETERED_W,
            sent=self.sent,
            messages=self.messages,
            agent_key=KEY.public_key().public_bytes_raw(),
        )


def curtailed(tape: Tape, *, back_from_s: float = 150.0, apart_s: float = 12.0) -> Tape:
    """A good curtailment: a dip at 50 s, four loads off at once, back one by one after release and minimum off time."""
    tape.dips.append((50.0, 80.0, 49.2))
    for number, load in enumerate(LOADS[:4]):
        tape.verb(load, 50.1 + number / 1000, Asks.OFF)
        tape.verb(load, back_from_s + number * apart_s, Asks.ON)
    return tape


def fired(tape: Tape) -> set[str]:
    return {fault.judge for fault in judge_all(tape.outside())}


def test_a_quiet_day_and_a_clean_curtailment_pass_every_judge() -> None:
    assert judge_all(Tape().outside()) == []
    assert judge_all(curtailed(Tape()).outside()) == []


def test_a_shed_with_nothing_to_call_for_it_is_found() -> None:
    tape = Tape()
    tape.verb(LOADS[0], 50.0, Asks.OFF)

    assert fired(tape) == {"nothing_shed_without_cause"}


@pytest.mark.parametrize("hz", [0.0, float("nan"), float("inf"), 1e30, 44.9])
def test_a_shed_on_a_frequency_that_cannot_be_is_found(hz: float) -> None:
    tape = Tape()
    tape.dips.append((50.0, 80.0, hz))
    tape.verb(LOADS[0], 50.1, Asks.OFF)

    assert fired(tape) == {"nothing_shed_without_cause"}


def test_a_shed_on_a_frequency_that_was_low_from_the_start_is_found() -> None:
    tape = Tape()
    tape.dips.append((0.0, 400.0, 49.2))
    tape.verb(LOADS[0], 50.1, Asks.OFF)

    assert fired(tape) == {"nothing_shed_without_cause"}


def test_a_crossing_that_is_not_answered_or_by_too_little_or_too_late_is_found() -> None:
    for told, at_s in ((0, 0.0), (2, 50.1), (4, 53.0)):
        tape = Tape(until_s=120.0)
        tape.dips.append((50.0, 120.0, 49.2))
        for load in LOADS[:told]:
            tape.verb(load, at_s, Asks.OFF)

        assert fired(tape) == {"crossing_sheds"}


def test_a_crossing_answered_by_loads_that_do_not_follow_and_are_not_replaced_is_found() -> None:
    tape = Tape(until_s=120.0)
    tape.dips.append((50.0, 120.0, 49.2))
    for load in LOADS[:4]:
        tape.verb(load, 50.1, Asks.OFF, obeyed=False)

    assert fired(tape) == {"crossing_sheds"}


def test_a_silent_meter_that_does_not_lead_to_the_fallback_is_found_and_one_that_does_is_not() -> None:
    idle = Tape(until_s=120.0)
    idle.silences.append((50.0, 120.0))
    hasty = Tape(until_s=60.0)
    hasty.silences.append((50.0, 60.0))
    hasty.verb(LOADS[0], 52.0, Asks.OFF)
    right = Tape(until_s=120.0)
    right.silences.append((50.0, 120.0))
    for number, load in enumerate(LOADS[:8]):
        right.verb(load, 55.5 + number / 2, Asks.OFF)

    assert fired(idle) == {"blind_goes_to_fallback"}
    assert fired(hasty) == {"nothing_shed_without_cause"}
    assert fired(right) == set()


@pytest.mark.parametrize("kind", [Asks.OFF, Asks.ON, Asks.OTHER])
def test_anything_but_a_read_in_observe_is_found(kind: Asks) -> None:
    tape = Tape(observe=True)
    tape.verb(LOADS[0], 50.0, kind)

    assert "observe_reads_alone" in fired(tape)


def test_a_raise_of_a_load_that_we_never_lowered_is_found() -> None:
    tape = Tape()
    tape.verb(LOADS[0], 50.0, Asks.ON)

    assert fired(tape) == {"raise_of_what_we_lowered"}


def test_a_raise_inside_the_minimum_off_time_is_found_even_after_a_repeated_verb() -> None:
    assert fired(curtailed(Tape(min_off_ns=110 * NS_PER_S))) == {"raise_after_minimum_off"}


def test_a_raise_of_a_load_that_this_life_has_not_read_is_found() -> None:
    tape = curtailed(Tape())
    tape.lives = [Life(1, 0, round(149 * NS_PER_S)), Life(2, round(149 * NS_PER_S), None)]
    tape.talks = [
        talk
        if talk.opened_ns < 149 * NS_PER_S
        else Talk(talk.load, 2, talk.opened_ns, talk.asks, talk.sent_ns, talk.heard_ns, talk.answered_ns, talk.says_on)
        for talk in tape.talks
    ]

    assert fired(tape) == {"raise_knows_its_load"}


def test_a_raise_after_an_unanswered_write_with_fewer_than_two_reads_since_is_found() -> None:
    tape = Tape()
    tape.dips.append((50.0, 80.0, 49.2))
    for load in LOADS[:4]:
        tape.verb(load, 50.1, Asks.OFF)
    tape.verb(LOADS[0], 145.0, Asks.OFF, answered=False)
    tape.talks = [talk for talk in tape.talks if not (talk.asks is Asks.READ and talk.opened_ns > 145 * NS_PER_S)]
    tape.verb(LOADS[0], 210.0, Asks.ON)

    assert fired(tape) == {"raise_knows_its_load"}


def test_a_raise_while_the_net_power_is_unknown_is_found() -> None:
    tape = curtailed(Tape(blind_after_ns=30 * NS_PER_S))
    tape.silences.append((140.0, 155.0))

    assert fired(tape) == {"raise_knows_the_net"}


def test_raises_faster_than_the_ramp_and_jumps_above_jump_up_are_found() -> None:
    assert fired(curtailed(Tape(), apart_s=5.0)) == {"raise_within_ramp_and_jump"}
    assert fired(curtailed(Tape(ramp_up_w_per_s=1e9, jump_up_w=20_000.0), apart_s=0.01)) == {
        "raise_within_ramp_and_jump"
    }


def test_a_raise_over_the_circuits_limit_is_found() -> None:
    assert fired(curtailed(Tape(limit_w=90_000.0, margin_w=0.0))) == {"raise_within_limit"}


def test_a_raise_over_a_lease_in_force_is_found() -> None:
    tape = curtailed(Tape())
    tape.sent.append(Sent(140 * NS_PER_S, "01A", "aa", 70_000.0, 200 * NS_PER_S, accepted_ns=140 * NS_PER_S))

    assert fired(tape) == {"raise_within_limit"}


def tele(seq: int, prev: str | None) -> dict[str, Any]:
    return {"v": 1, "t": "tele", "boot": "b" * 16, "seq": seq, "prev": prev, "rows": []}


def chained(tape: Tape, count: int = 4) -> Tape:
    prev: str | None = None
    for seq in range(count):
        tape.record(10.0 + seq, "tele/main", tele(seq, prev))
        prev = hashlib.sha256(tape.messages[-1].payload).hexdigest()[:32]
    return tape


def test_a_chain_of_records_passes_and_so_does_the_same_record_again() -> None:
    tape = chained(Tape(until_s=60))
    tape.messages.append(tape.messages[2])

    assert fired(tape) == set()


def test_records_unsigned_missing_repeated_with_other_bytes_or_out_of_chain_are_found() -> None:
    forged = chained(Tape(until_s=60))
    bad = forged.messages[1]
    forged.messages[1] = Message(bad.at_ns, 1, bad.topic, bad.payload[:-1] + bytes([bad.payload[-1] ^ 1]), False)
    missing = chained(Tape(until_s=60))
    del missing.messages[1]
    repeated = chained(Tape(until_s=60))
    repeated.record(20.0, "tele/main", {**tele(2, None), "rows": [[0, 0, 1]]})
    unchained = chained(Tape(until_s=60))
    unchained.record(20.0, "tele/main", tele(4, "0" * 32))
    moved = chained(Tape(until_s=60))
    moved.messages[3] = Message(0, 1, f"{ROOT}/{SITE}/tele/other", moved.messages[3].payload, False)

    for tape in (forged, missing, repeated, unchained, moved):
        assert "records_signed_sequenced_chained" in fired(tape)


def test_a_hole_that_a_signed_gap_declares_passes() -> None:
    tape = chained(Tape(until_s=60))
    del tape.messages[1]
    gap = {"v": 1, "t": "gap", "boot": "b" * 16, "seq": 4, "of": "b" * 16, "from": 1, "to": 1, "why": "policy"}
    tape.record(20.0, "tele/main", gap)

    assert fired(tape) == set()


def ack(command: str, sha: str, state: str, n: int, code: str | None = None) -> dict[str, Any]:
    boot = hashlib.sha256(f"{command}{state}{n}".encode()).hexdigest()[:16]
    return {"v": 1, "t": "ack", "boot": boot, "seq": 0, "id": command, "cmd": sha, "st": state, "n": n, "code": code}


def test_the_life_cycle_of_a_good_command_passes_in_its_order_alone() -> None:
    right, wrong = Tape(until_s=60), Tape(until_s=60)
    for tape, states in (
        (right, ["accepted", "applied", "verified", "ended"]),
        (wrong, ["accepted", "verified", "applied"]),
    ):
        tape.sent.append(Sent(10 * NS_PER_S, "01A", "aa", 200_000.0, NS_PER_S))
        for n, state in enumerate(states):
            tape.record(10 + n, "ack/dispatch", ack("01A", "aa", state, n))

    assert fired(right) == set()
    assert fired(wrong) == {"commands_answered_as_they_deserve"}


@pytest.mark.parametrize(
    ("deserves", "state", "code"),
    [("replay", "accepted", None), ("replay", "rejected", "expired"), ("silence", "rejected", "bad_sig")],
)
def test_a_bad_command_that_is_accepted_or_answered_otherwise_than_it_deserves_is_found(
    deserves: str, state: str, code: str | None
) -> None:
    tape = Tape(until_s=60)
    tape.sent.append(Sent(10 * NS_PER_S, "01A", "aa", 200_000.0, NS_PER_S, deserves=deserves))
    tape.record(11, "ack/dispatch", ack("01A", "aa", state, 0, code))

    assert fired(tape) == {"commands_answered_as_they_deserve"}


def test_a_bad_command_in_force_and_a_shed_that_only_it_asked_for_are_found() -> None:
    tape = Tape(until_s=60)
    tape.sent.append(Sent(10 * NS_PER_S, "01A", "aa", 50_000.0, 100 * NS_PER_S, deserves="retained"))
    tape.record(11, "ctl", {"v": 1, "t": "ctl", "boot": "b" * 16, "seq": 0, "leases": [{"id": "01A"}]})
    tape.verb(LOADS[0], 12.0, Asks.OFF)

    assert fired(tape) == {"commands_answered_as_they_deserve", "nothing_shed_without_cause"}


def event(seq: int, ulid: str, kind: str, boot: str = "b" * 16) -> dict[str, Any]:
    return {"v": 1, "t": "evt", "boot": boot, "seq": seq, "ev": ulid, "k": kind, "circuit": "poi", "rule": "ufr"}


def test_one_event_from_begin_to_end_passes_across_a_restart() -> None:
    tape = Tape(until_s=60)
    tape.record(10, "evt", event(0, "E1", "begin"))
    tape.record(11, "evt", event(1, "E1", "cut"))
    tape.record(20, "evt", event(0, "E1", "return", boot="c" * 16))
    tape.record(21, "evt", event(1, "E1", "end", boot="c" * 16))

    assert fired(tape) == set()


@pytest.mark.parametrize(
    "told",
    [
        [("E1", "begin"), ("E2", "begin")],
        [("E1", "begin"), ("E1", "begin")],
        [("E1", "cut")],
        [("E1", "begin"), ("E1", "end"), ("E1", "cut")],
    ],
)
def test_an_event_that_begins_twice_or_never_or_goes_on_after_its_end_is_found(told: list[tuple[str, str]]) -> None:
    tape = Tape(until_s=60)
    for seq, (ulid, kind) in enumerate(told):
        tape.record(10 + seq, "evt", event(seq, ulid, kind))

    assert fired(tape) == {"one_event_from_begin_to_end"}


@pytest.mark.parametrize(
    ("request_bytes", "kind"),
    [
        (b"", Asks.NOTHING),
        (b'{"command":"version"}', Asks.READ),
        (b'{"command": "version+estats"}', Asks.READ),
        (b"litestats|", Asks.READ),
        (b"ascset|0,softoff,1:1753434821", Asks.OFF),
        (b'{"command":"ascset","parameter":"0,softon,1:5"}', Asks.ON),
        (b"ascset|0,reboot,0", Asks.OTHER),
        (b'{"command":"quit"}', Asks.OTHER),
    ],
)
def test_a_request_is_read_from_its_bytes_alone(request_bytes: bytes, kind: Asks) -> None:
    assert asks(request_bytes) is kind
