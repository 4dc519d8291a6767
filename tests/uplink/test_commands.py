"""Every check of wire.md sections 2 and 6: a good command passes, and one example of each thing that is refused."""

import asyncio
from typing import Any

import pytest

from agent.core.notes import CommandNote
from agent.uplink.checks import Policy
from agent.uplink.sealing import digest
from tests.uplink.fakes import WALL_MS
from tests.uplink.kit import (
    AGENT,
    AGENT_KEY,
    ALL_AGENTS,
    BOOT,
    DISPATCH,
    EPOCH,
    OTHER,
    SITE,
    STRANGER,
    Rig,
    command,
    keyring,
    sealed,
    ulid,
)


def judge(rig: Rig, data: bytes, **where: Any) -> list[dict[str, Any]]:
    """What is answered to one message that must be acknowledged."""
    assert asyncio.run(rig.give(data, **where))
    return rig.answers()


def codes(answers: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
    return [(answer["st"], answer["code"]) for answer in answers]


def test_a_good_limit_is_durable_then_obeyed_then_accepted() -> None:
    rig = Rig()
    rig.sink.on_lease = lambda: rig.keeper.kept_keys.append("obeyed")
    data = sealed(command())

    (answer,) = judge(rig, data)

    assert rig.keeper.kept_keys == [f"command/{ulid(1)}", "obeyed"]
    assert (answer["st"], answer["n"], answer["code"]) == ("accepted", 0, None)
    assert answer["cmd"] == digest(data)
    assert answer["address"] == f"v1/{SITE}/{AGENT}/ack/dispatch"
    assert answer["limit"] == {"before": 4000.0, "after": 1200.0}
    lease = rig.sink.leases[ulid(1)]
    assert (lease.circuit, lease.limit_w, lease.issuer) == ("poi", 1_200_000, "dispatch")
    assert lease.until_ns == rig.clock.now_ns + 900_000_000_000
    assert (lease.verify_ns, lease.tolerance_w) == (10_000_000_000, 50_000)


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("another version", {"v": 2}, "bad_schema"),
    ("another type", {"t": "plan"}, "bad_schema"),
    ("an unknown member", {"speed": 1}, "bad_schema"),
    ("an id that is no ULID", {"id": "01J"}, "bad_schema"),
    ("a negative sequence number", {"seq": -1}, "bad_schema"),
    ("a sequence number that is a float", {"seq": 1.5}, "bad_schema"),
    ("a sequence number that is true", {"seq": True}, "bad_schema"),
    ("a limit without kw", {"args": {}}, "bad_schema"),
    ("a limit that is text", {"args": {"kw": "1200"}}, "bad_schema"),
    ("an unknown argument", {"args": {"kw": 1, "kvar": 2}}, "bad_schema"),
    ("no expiry", {"exp": {}}, "bad_schema"),
    ("half an uptime expiry", {"exp": {"boot": BOOT}}, "bad_schema"),
    ("an unknown need", {"need": {"haste": 1}}, "bad_schema"),
    ("another issuer inside", {"iss": "other"}, "bad_addr"),
    ("another epoch", {"epoch": EPOCH - 1}, "epoch"),
    ("no epoch", {"epoch": None}, "epoch"),
    ("expired by wall time", {"exp": {"ts": WALL_MS}}, "expired"),
    ("expired by uptime", {"exp": {"boot": BOOT, "up": 0}}, "expired"),
    ("of another boot", {"exp": {"boot": "f" * 16, "up": 10**9}}, "expired"),
    ("uptime good but wall time passed", {"exp": {"boot": BOOT, "up": 10**9, "ts": WALL_MS - 1}}, "expired"),
    ("valid for more than a day", {"exp": {"ts": WALL_MS + 86_400_001}}, "policy"),
    ("too early", {"nbf": WALL_MS + 1}, "not_yet"),
    ("an unknown circuit", {"scope": "container-z"}, "scope"),
    ("an unknown op", {"op": "limit.double"}, "unsupported"),
    ("an op that is not built", {"op": "mode.set", "args": {"mode": "safe"}}, "unsupported"),
    ("a plan after the lease", {"after": "plan"}, "unsupported"),
    ("a lease above the site's longest", {"lease_ms": 86_400_001}, "policy"),
    ("no end without the role operate", {"lease_ms": None}, "bad_role"),
    ("hold without the role operate", {"after": "hold"}, "bad_role"),
    ("the release of nothing", {"op": "limit.release", "args": {"id": ulid(9)}}, "policy"),
    ("a ping with arguments", {"op": "ping", "args": {"kw": 1}}, "bad_schema"),
]


@pytest.mark.parametrize(("changes", "code"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_a_signed_command_is_refused_with_its_code_and_changes_nothing(changes: dict[str, Any], code: str) -> None:
    rig = Rig()

    answers = judge(rig, sealed(command(**changes)))

    assert codes(answers) == [("rejected", code)]
    assert answers[0]["id"] == command(**changes)["id"] or code in ("bad_schema", "bad_addr")
    assert rig.sink.leases == {}
    assert rig.uplink.counters[code] == 1


def test_a_limit_without_a_lease_is_refused() -> None:
    rig = Rig()
    body = command()
    del body["lease_ms"]

    assert codes(judge(rig, sealed(body))) == [("rejected", "bad_schema")]


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (b"", {}),
        (b"\xd2\x84", {}),
        (sealed(command())[:-1] + b"\0", {}),
        (sealed(command(), STRANGER), {}),
        (sealed(command()), {"issuer": "other"}),
        (sealed(command()), {"agent": ALL_AGENTS}),
        (sealed(command(), agent="ctl-2"), {}),
        (sealed(command(), site="other-01"), {}),
        (sealed(command(), site="other-01"), {"site": "other-01"}),
        (AGENT_KEY.seal(f"v1/{SITE}/{AGENT}/cmd/dispatch", b"{}"), {}),
        (sealed(command(why="x" * 9000)), {}),
    ],
    ids=[
        "nothing",
        "cut short",
        "a wrong signature",
        "a stranger's",
        "sent on another issuer's channel",
        "sent to all but signed for one",
        "signed for another agent",
        "signed for another site",
        "for another site altogether",
        "signed by the agent itself",
        "above 8 KiB",
    ],
)
def test_what_cannot_be_verified_is_counted_and_never_answered(data: bytes, where: dict[str, Any]) -> None:
    rig = Rig()

    assert judge(rig, data, **where) == []
    assert rig.sink.leases == {}
    assert sum(rig.uplink.counters.values()) == 1


def test_without_a_keyring_every_command_is_refused() -> None:
    rig = Rig(no_keyring=True)

    assert judge(rig, sealed(command())) == []
    assert rig.sink.leases == {}
    assert rig.uplink.counters["bad_sig"] == 1


def test_a_command_on_another_issuers_channel_that_was_signed_for_it_is_refused() -> None:
    rig = Rig()

    answers = judge(rig, sealed(command(), DISPATCH, "other"), issuer="other")

    assert codes(answers) == [("rejected", "bad_addr")]
    assert answers[0]["address"].endswith("ack/dispatch")


@pytest.mark.parametrize(
    "payload",
    [
        b'{"v":1,"v":1}',
        b"[]",
        b"\xef\xbb\xbf{}",
        b'{"why":"\\ud800"}',
        b"\xff",
        b'{"seq":NaN}',
        b'{"seq":1e999}',
        b'{"seq":9223372036854775808}',
        b'{"args":' + b"[" * 5000 + b"]" * 2000 + b"}",
        b"",
    ],
)
def test_what_two_readers_could_understand_differently_is_refused(payload: bytes) -> None:
    rig = Rig()

    assert codes(judge(rig, sealed(payload))) == [("rejected", "bad_schema")]


def test_deep_json_is_refused() -> None:
    rig = Rig()

    assert codes(judge(rig, sealed(command(args={"kw": [[[[[[[1]]]]]]]})))) == [("rejected", "too_big")]


def test_a_retained_command_is_refused() -> None:
    rig = Rig()

    assert codes(judge(rig, sealed(command()), retained=True)) == [("rejected", "retained")]
    assert rig.sink.leases == {}
    assert codes(judge(rig, sealed(command()))) == [("rejected", "retained")]  # its number is spent


def test_the_same_bytes_again_get_the_last_status_again_and_have_no_effect() -> None:
    rig = Rig()
    data = sealed(command())
    judge(rig, data)
    rig.uplink.told(CommandNote(rig.clock.now_ns + 240_000_000, ulid(1), "applied", ok=412, fail=2))
    rig.answers()
    rig.sink.leases.clear()

    (answer,) = judge(rig, data, retained=True)

    assert (answer["st"], answer["n"]) == ("applied", 1)
    assert rig.sink.leases == {}


def test_the_same_id_with_other_bytes_is_refused() -> None:
    rig = Rig()
    judge(rig, sealed(command()))

    answers = judge(rig, sealed(command(seq=2, args={"kw": 900})))

    assert codes(answers) == [("rejected", "id_reuse")]
    assert rig.sink.leases[ulid(1)].limit_w == 1_200_000


def test_a_number_that_does_not_rise_is_a_replay() -> None:
    rig = Rig()
    judge(rig, sealed(command(5)))

    assert codes(judge(rig, sealed(command(6, seq=5)))) == [("rejected", "replay")]
    assert codes(judge(rig, sealed(command(7, seq=4)))) == [("rejected", "replay")]
    assert codes(judge(rig, sealed(command(8, seq=6)))) == [("accepted", None), ("superseded", "superseded")]


def test_a_refused_command_spends_its_number_too() -> None:
    rig = Rig()
    judge(rig, sealed(command(1, scope="nowhere")))

    assert codes(judge(rig, sealed(command(2, seq=1)))) == [("rejected", "replay")]


def test_there_is_room_for_so_many_limits_at_once() -> None:
    rig = Rig()
    for number in range(1, 63):
        rig.clock.move(1)
        rig.sink.limits[f"rack-{number}"] = None
        answers = judge(rig, sealed(command(number, scope=f"rack-{number}", exp={"boot": BOOT, "up": 10**6})))
        assert codes(answers) == [("accepted", None) if number <= 60 else ("rejected", "busy")]

    assert len(rig.sink.leases) == 60


def test_issuers_count_apart() -> None:
    rig = Rig()
    judge(rig, sealed(command(9)))

    answers = judge(rig, sealed(command(1, iss="other"), OTHER, "other"), issuer="other")

    assert codes(answers) == [("accepted", None)]
    assert set(rig.sink.leases) == {ulid(9), ulid(1)}


def test_roles_go_by_effect() -> None:
    rig = Rig(keyring(roles=("curtail",)))
    judge(rig, sealed(command(1)))

    higher = judge(rig, sealed(command(2, args={"kw": 1300})))
    sooner = judge(rig, sealed(command(3, lease_ms=1000)))
    release = judge(rig, sealed(command(4, op="limit.release", args={"id": ulid(1)})))
    assert codes(higher + sooner + release) == [("rejected", "bad_role")] * 3
    assert set(rig.sink.leases) == {ulid(1)}

    lower = judge(rig, sealed(command(5, args={"kw": 1100})))
    assert codes(lower) == [("accepted", None), ("superseded", "superseded")]
    assert set(rig.sink.leases) == {ulid(5)}


def test_a_key_that_may_only_restore_does_not_lower() -> None:
    rig = Rig(keyring(roles=("restore",)))

    assert codes(judge(rig, sealed(command()))) == [("rejected", "bad_role")]


def test_a_key_with_no_role_for_commands_is_refused() -> None:
    rig = Rig(keyring(roles=("sink",)))

    assert codes(judge(rig, sealed(command(op="ping", args={})))) == [("rejected", "bad_role")]


def test_a_key_commands_only_its_circuits() -> None:
    rig = Rig(keyring(scope=("container-a",)))

    assert codes(judge(rig, sealed(command(1)))) == [("rejected", "scope")]
    assert codes(judge(rig, sealed(command(2, scope="container-a")))) == [("accepted", None)]


@pytest.mark.parametrize("dates", [{"exp": WALL_MS}, {"nbf": WALL_MS + 1}])
def test_a_key_outside_its_dates_is_refused(dates: dict[str, Any]) -> None:
    rig = Rig(keyring(**dates))

    assert codes(judge(rig, sealed(command()))) == [("rejected", "bad_role")]


def test_operate_may_hold_and_ask_for_no_end_but_not_beyond_the_sites_longest() -> None:
    rig = Rig(keyring(roles=("curtail", "operate")), policy=Policy(hold_max_s=3600))

    judge(rig, sealed(command(1, lease_ms=None)))
    judge(rig, sealed(command(2, scope="container-a", lease_ms=1000, after="hold")))

    for number in (1, 2):
        assert rig.sink.leases[ulid(number)].until_ns == rig.clock.now_ns + 3_600_000_000_000


def test_without_a_clock_uptime_decides_and_wall_time_only_lowers() -> None:
    rig = Rig(keyring(roles=("curtail", "restore")))
    rig.clock.wall = None
    by_uptime = {"boot": BOOT, "up": 60_000}

    assert codes(judge(rig, sealed(command(1)))) == [("accepted", None)]
    assert codes(judge(rig, sealed(command(2, args={"kw": 2000})))) == [("rejected", "clock")]
    raised = judge(rig, sealed(command(3, args={"kw": 2000}, exp=by_uptime)))
    assert codes(raised)[0] == ("accepted", None)
    assert codes(judge(rig, sealed(command(4, nbf=WALL_MS - 1)))) == [("rejected", "clock")]


def test_without_a_clock_a_careful_site_refuses_wall_time_altogether() -> None:
    rig = Rig(policy=Policy(lower_without_clock=False))
    rig.clock.wall = None

    assert codes(judge(rig, sealed(command()))) == [("rejected", "clock")]


def test_a_command_to_all_agents_may_only_lower_and_has_no_epoch() -> None:
    rig = Rig()

    def to_all(body: dict[str, Any]) -> list[tuple[str, str | None]]:
        return codes(judge(rig, sealed(body, agent=ALL_AGENTS), agent=ALL_AGENTS))

    assert to_all(command(1)) == [("rejected", "epoch")]
    assert to_all(command(2, epoch=None)) == [("accepted", None)]
    assert to_all(command(3, epoch=None, args={"kw": 1300})) == [("rejected", "policy")]


def test_a_dry_command_is_judged_and_has_no_effect() -> None:
    rig = Rig()
    judge(rig, sealed(command(1)))

    (answer,) = judge(rig, sealed(command(2, args={"kw": 900}, dry=True)))

    assert (answer["st"], answer["dry"], answer["limit"]["after"]) == ("accepted", True, 900)
    assert set(rig.sink.leases) == {ulid(1)}


def test_a_ping_is_answered() -> None:
    rig = Rig(keyring(roles=("curtail",), scope=("container-a",)))

    answers = judge(rig, sealed(command(op="ping", args={})))

    assert [(answer["st"], answer["n"]) for answer in answers] == [("accepted", 0), ("applied", 1)]


def test_a_release_ends_a_limit() -> None:
    rig = Rig()
    judge(rig, sealed(command(1)))

    answers = judge(rig, sealed(command(2, op="limit.release", args={"id": ulid(1)})))

    told = {(answer["id"], answer["st"], answer["code"]) for answer in answers}
    assert told == {
        (ulid(2), "accepted", None),
        (ulid(1), "ended", "released"),
        (ulid(2), "applied", None),
    }
    assert rig.sink.released == [(ulid(1), "released")]
    assert rig.uplink.commands.leases() == []


def test_the_life_cycle_is_told_once_each_and_never_backwards() -> None:
    rig = Rig()
    judge(rig, sealed(command()))
    at_ns = rig.clock.now_ns

    for state, after_ms in [("applied", 240), ("applied", 250), ("verified", 3100), ("unverified", 9000)]:
        rig.uplink.told(
            CommandNote(at_ns + after_ms * 1_000_000, ulid(1), state, meter="main", net_w=1_187_400, age_ns=120_000_000)
        )
    rig.uplink.told(CommandNote(at_ns + 900_000_000_000, ulid(1), "ended", "lease", after_w=4_000_000))
    rig.uplink.told(CommandNote(at_ns, "01J00000000000000000000099", "applied"))

    answers = rig.answers()
    assert [(answer["st"], answer["n"], answer["code"]) for answer in answers] == [
        ("applied", 1, None),
        ("verified", 2, None),
        ("ended", 3, "lease"),
    ]
    assert answers[1]["t_ms"] == {"rx": 0, "accepted": 0, "applied": 240, "verified": 3100}
    assert answers[1]["meas"] == {"meter": "main", "kw": 1187.4, "age_ms": 120}
    assert answers[2]["limit"]["after"] == 4000
    assert rig.uplink.commands.leases() == []


def test_a_command_that_cannot_be_made_durable_is_neither_obeyed_nor_answered_nor_acknowledged() -> None:
    rig = Rig()
    rig.keeper.full = True

    assert not asyncio.run(rig.give(sealed(command())))
    assert rig.answers() == []
    assert rig.sink.leases == {}

    rig.keeper.full = False
    assert codes(judge(rig, sealed(command()))) == [("accepted", None)]


def test_more_than_forty_at_once_are_too_many_and_the_rest_may_come_again() -> None:
    rig = Rig()
    for number in range(1, 41):
        judge(rig, sealed(command(number, op="ping", args={})))

    assert codes(judge(rig, sealed(command(41, op="ping", args={})))) == [("rejected", "busy")]
    rig.clock.move(0.06)
    assert codes(judge(rig, sealed(command(41, op="ping", args={}))))[0] == ("accepted", None)


def test_bad_signatures_throttle_their_channel_alone_and_raise_one_alarm() -> None:
    rig = Rig()
    for _ in range(8):
        judge(rig, sealed(command(), STRANGER))

    assert rig.uplink.counters["bad_sig"] == 5
    assert rig.uplink.counters["throttled"] == 3
    assert len(rig.uplink._backroom) == 1
    assert judge(rig, sealed(command())) == []
    other = judge(rig, sealed(command(1, iss="other"), OTHER, "other"), issuer="other")
    assert codes(other) == [("accepted", None)]
    rig.clock.move(0.3)
    assert codes(judge(rig, sealed(command(2)))) == [("accepted", None)]


def test_after_kill_9_a_replay_is_refused_and_the_same_command_gets_its_status() -> None:
    rig = Rig()
    data = sealed(command(4))
    judge(rig, data)

    rig = rig.again()
    asyncio.run(rig.uplink.restore())
    rig.answers()

    assert codes(judge(rig, sealed(command(5, seq=4)))) == [("rejected", "replay")]
    (answer,) = judge(rig, data)
    assert (answer["st"], answer["n"]) == ("accepted", 0)


def test_after_kill_9_a_lease_goes_on_where_it_was() -> None:
    rig = Rig()
    judge(rig, sealed(command()))
    until_ns = rig.sink.leases[ulid(1)].until_ns
    rig.clock.move(100)

    rig = rig.again()
    asyncio.run(rig.uplink.restore())

    assert rig.sink.leases[ulid(1)].until_ns == until_ns


def test_a_lease_that_lapsed_meanwhile_ends() -> None:
    rig = Rig()
    judge(rig, sealed(command()))
    rig.clock.move(901)

    rig = rig.again()
    asyncio.run(rig.uplink.restore())

    assert rig.sink.leases == {}
    assert codes(rig.answers())[-1] == ("ended", "lease")


def test_after_a_reboot_a_lease_starts_again_in_full() -> None:
    rig = Rig()
    judge(rig, sealed(command()))
    rig.clock.boot, rig.clock.now_ns = "machine-2", 1_000_000_000

    rig = rig.again()
    asyncio.run(rig.uplink.restore())

    assert rig.sink.leases[ulid(1)].until_ns == 901_000_000_000


def test_a_status_that_the_broker_never_got_is_sent_again_after_a_restart_and_no_other() -> None:
    rig = Rig()
    judge(rig, sealed(command(1)))
    asyncio.run(rig.give(sealed(command(1, iss="other"), OTHER, "other"), issuer="other"))
    judge(rig, sealed(command(2, scope="container-a")))
    rig.uplink.told(CommandNote(rig.clock.now_ns, ulid(2), "applied"))

    rig = rig.again()
    asyncio.run(rig.uplink.restore())

    assert [(answer["id"], answer["st"]) for answer in rig.answers()] == [(ulid(2), "applied")]


def test_a_crash_between_a_command_and_what_it_ends_is_made_good() -> None:
    rig = Rig()
    judge(rig, sealed(command(1)))
    judge(rig, sealed(command(2, scope="container-a")))
    before = dict(rig.keeper.disk)
    judge(rig, sealed(command(3, args={"kw": 900})))
    judge(rig, sealed(command(4, op="limit.release", scope="container-a", args={"id": ulid(2)})))
    torn = {**rig.keeper.disk, f"command/{ulid(1)}": before[f"command/{ulid(1)}"]}
    torn[f"command/{ulid(2)}"] = before[f"command/{ulid(2)}"]

    rig = Rig(disk=torn, clock=rig.clock, boot="fedcba9876543210")
    asyncio.run(rig.uplink.restore())

    assert set(rig.sink.leases) == {ulid(3)}


def test_only_the_newest_256_commands_of_an_issuer_are_remembered_and_old_ones_stay_refused() -> None:
    rig = Rig()
    first = sealed(command(1, lease_ms=86_400_000))
    judge(rig, first)
    second = sealed(command(2, op="ping", args={}))
    judge(rig, second)
    for number in range(3, 263):
        rig.clock.move(1)
        body = command(number, op="ping", args={}, exp={"boot": BOOT, "up": 10**9})
        judge(rig, sealed(body))

    kept = [key for key in rig.keeper.disk if key.startswith("command/")]
    assert len(kept) == 256
    assert f"command/{ulid(1)}" in kept  # its limit is in force
    assert codes(judge(rig, sealed(command(2, op="ping", args={})), retained=False)) == [("rejected", "expired")]
