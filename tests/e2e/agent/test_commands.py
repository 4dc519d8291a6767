"""Commands from outside: a good one goes its whole way, a bad one changes nothing, a kill -9 forgets neither.

That a bad command was judged is known by a marker: a dry one that was sent after it and is answered in turn.
"""

import hashlib
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.agent.broker import ROOT, Broker
from tests.e2e.agent.issuer import Issuer, Sealed
from tests.e2e.agent.site import AGENT, Figures, Site, ballast

ID = "commands"
LIMIT_KW = 30.0
LEASE_MS = 9_000  # the stand-ins fall within 5.3 s
NOISE_W = 200.0
OTHER_EPOCH = 1
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[tuple[Site, Sealed]]:
    """The site, and a good command that was retained at the broker before the agent ever came to it."""
    with Site(tmp_path_factory.mktemp(ID), Figures(id=ID), broker=broker) as made:
        text = made.file.read_text()
        made.file.write_text(re.sub(r"\[mqtt\]\nurl = .*\nroot = .*", "", text))  # its epoch begins without a broker
        made.start(settled=False)
        command = made.dispatch.limit(LIMIT_KW, LEASE_MS, epoch=made.epoch())
        made.stop()
        made.file.write_text(text)
        made.ears.say(command.topic, command.data, retain=True)
        made.start()
        yield made, command
        made.ears.say(command.topic, b"", retain=True)


@pytest.fixture
def site(stage: tuple[Site, Sealed]) -> Site:
    return stage[0]


def judged(site: Site, command: Sealed) -> None:
    """Sends it, and comes back when it was judged."""
    site.ears.say(command.topic, command.data)
    marker = site.dispatch.limit(1.0, 1_000, epoch=site.epoch(), dry=True)
    site.ears.say(marker.topic, marker.data)
    site.eventually("the marker is answered", lambda: site.acks(marker.id))


def code(site: Site, command: Sealed) -> str | None:
    """How it was refused; None when it was not answered."""
    digest = hashlib.sha256(command.data).hexdigest()
    acks = [record.body for record in site.ears.records() if record.body.get("cmd") == digest]
    assert {ack["st"] for ack in acks} <= {"rejected"}
    return acks[0]["code"] if acks else None


def bad(**changes: object) -> Callable[[Site], Sealed]:
    return lambda site: site.dispatch.limit(LIMIT_KW, LEASE_MS, **{"epoch": site.epoch(), **changes})  # type: ignore[arg-type]


def replayed(site: Site) -> Sealed:
    command = site.dispatch.limit(LIMIT_KW, LEASE_MS, epoch=site.epoch())
    return site.dispatch.seal({**command.body, "seq": 0})


def unsigned(site: Site) -> Sealed:
    command = site.dispatch.limit(LIMIT_KW, LEASE_MS, epoch=site.epoch())
    return Sealed(command.id, command.topic, command.data[:-64] + bytes(64), command.body)


def stranger(site: Site) -> Sealed:
    issuer = Issuer("dispatch", site.folder / f"stranger-{time.monotonic_ns()}.pem", ID, AGENT, ("curtail",))
    issuer.seq = 1_000_000
    return issuer.limit(LIMIT_KW, LEASE_MS, epoch=site.epoch())


def for_another_agent(site: Site) -> Sealed:
    command = site.dispatch.limit(LIMIT_KW, LEASE_MS, epoch=site.epoch())
    return site.dispatch.seal(command.body, signed_for=f"v1/{ID}/ctl-2/cmd/dispatch")


def on_another_channel(site: Site) -> Sealed:
    command = site.dispatch.limit(LIMIT_KW, LEASE_MS, epoch=site.epoch())
    address = f"v1/{ID}/{AGENT}/cmd/desk"
    return site.dispatch.seal(command.body, signed_for=address, sent_to=address)


def of_no_role(site: Site) -> Sealed:
    return site.viewer.limit(LIMIT_KW, LEASE_MS, epoch=site.epoch())


def now_ms() -> int:
    return int(time.time() * 1000)


BAD: dict[str, tuple[Callable[[Site], Sealed], str | None]] = {
    "unsigned": (unsigned, None),
    "of a stranger": (stranger, None),
    "signed for another agent": (for_another_agent, None),
    "on another issuer's channel": (on_another_channel, "bad_addr"),
    "replayed": (replayed, "replay"),
    "expired": (lambda site: bad(exp={"ts": now_ms() - 1_000})(site), "expired"),
    "early": (lambda site: bad(nbf=now_ms() + 30_000)(site), "not_yet"),
    "valid for too long": (lambda site: bad(exp={"ts": now_ms() + 2 * DAY_MS})(site), "policy"),
    "of another boot": (bad(exp={"boot": "0" * 16, "up": 10**9}), "expired"),
    "of another epoch": (bad(epoch=OTHER_EPOCH), "epoch"),
    "without the role": (of_no_role, "bad_role"),
    "for a circuit there is not": (bad(scope="nowhere"), "scope"),
    "with an unknown member": (bad(force=True), "bad_schema"),
    "with an unknown op": (bad(op="limit.raise"), "unsupported"),
}


@pytest.mark.parametrize("which", BAD)
def test_a_bad_command_changes_nothing(site: Site, which: str) -> None:
    make, wanted = BAD[which]

    command = make(site)
    judged(site, command)

    assert code(site, command) == wanted
    assert site.writes() == 0
    assert site.circuit()["hi_kw"] == site.figures.limit_kw
    assert all(command.id != lease["id"] for record in site.ears.records("ctl") for lease in record.body["leases"])


def test_a_retained_command_changes_nothing(stage: tuple[Site, Sealed]) -> None:
    site, command = stage

    site.eventually("answered", lambda: site.acks(command.id))

    assert code(site, command) == "retained"
    assert site.writes() == 0


def test_a_good_command_is_accepted_applied_verified_and_ends_with_its_lease(site: Site) -> None:
    key = str(site.folder / "desk.pem")
    limit = ["--kw", str(LIMIT_KW), "--lease", "9s", "--tolerance-kw", "0.5"]
    send = [ballast(), "send", "limit", *limit, "--key", key, "--issuer", "desk", "--json", *site.outside()]

    sent = subprocess.run(send, capture_output=True, text=True, timeout=60, check=False)
    verified_w = site.watts()
    told = [json.loads(line) for line in sent.stdout.splitlines()]
    command = told[0]["id"]
    site.eventually("ended", lambda: [ack for ack in site.acks(command) if ack["st"] == "ended"])
    site.eventually("everything is back", lambda: site.on() == set(site.miners) and site.mode() == "NORMAL")

    assert (sent.returncode, sent.stderr) == (0, "")
    assert [ack["st"] for ack in told] == ["accepted", "applied", "verified"]
    assert verified_w <= LIMIT_KW * 1000 + 500 + NOISE_W
    acks = site.acks(command)
    assert [(ack["n"], ack["st"], ack["code"]) for ack in acks] == [
        (0, "accepted", None),
        (1, "applied", None),
        (2, "verified", None),
        (3, "ended", "lease"),
    ]
    assert set(site.told("on")) == set(site.told("off"))


def test_over_a_kill_a_command_holds_its_bytes_are_answered_again_and_its_numbers_are_spent(site: Site) -> None:
    command = site.dispatch.limit(LIMIT_KW, 600_000, epoch=site.epoch())
    site.ears.say(command.topic, command.data)
    site.eventually("verified", lambda: any(ack["st"] == "verified" for ack in site.acks(command.id)))
    down = set(site.miners) - site.on()

    site.kill()
    site.rig.do("clear")
    site.start()

    answered = len(site.acks(command.id))
    site.ears.say(command.topic, command.data)
    again = site.eventually("answered again", lambda: site.acks(command.id)[answered:])
    other_id = command.id[:-1] + ("1" if command.id.endswith("0") else "0")
    old = site.dispatch.seal({**command.body, "id": other_id, "args": {"kw": 1.0}})
    judged(site, old)
    assert [(ack["n"], ack["st"]) for ack in again] == [(2, "verified")]
    assert code(site, old) == "replay"
    assert site.circuit()["hi_kw"] == LIMIT_KW, "it still holds"
    assert set(site.miners) - site.on() == down
    assert site.writes() == 0, "and nobody was told anything anew"

    release = site.dispatch.limit(0.0, 1, epoch=site.epoch())
    body = {name: value for name, value in release.body.items() if name not in ("lease_ms", "after", "need")}
    release = site.dispatch.seal({**body, "op": "limit.release", "args": {"id": command.id}})
    site.ears.say(release.topic, release.data)
    site.eventually("everything is back", lambda: site.on() == set(site.miners) and site.mode() == "NORMAL")
    ended = site.acks(command.id)[-1]
    assert (ended["st"], ended["code"]) == ("ended", "released")
    assert set(site.told("on")) == down
    assert site.ears.refused() == []


def test_the_same_id_with_other_bytes_is_refused(site: Site) -> None:
    first = site.dispatch.limit(LIMIT_KW, 1_000, epoch=site.epoch(), dry=True)
    site.ears.say(first.topic, first.data)
    site.eventually("answered", lambda: site.acks(first.id))

    second = site.dispatch.limit(1.0, 60_000, epoch=site.epoch(), id=first.id)
    judged(site, second)

    assert [ack["code"] for ack in site.acks(first.id)] == [None, "id_reuse"]


def test_a_topic_of_another_agent_is_not_ours(site: Site) -> None:
    command = site.dispatch.limit(LIMIT_KW, LEASE_MS, epoch=site.epoch())
    elsewhere = Sealed(command.id, f"{ROOT}/v1/{ID}/ctl-2/cmd/dispatch", command.data, command.body)

    judged(site, elsewhere)

    assert code(site, command) is None
    assert site.circuit()["hi_kw"] == site.figures.limit_kw
