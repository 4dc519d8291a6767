"""From a world to its Outside: what the wires, the plant and the broker logged, in the judges' words."""

from collections.abc import Sequence

from msgspec import structs

from tests.sim.judges.envelope import Unsound, open_envelope
from tests.sim.judges.outside import Asks, Life, Message, Moved, Outside, Rules, Seen, Sent, Talk, asks
from tests.sim.modbus import Heard
from tests.sim.mqtt import Published
from tests.sim.plant import Plant
from tests.sim.wire import Network
from tests.sim.wire import Talk as WireTalk

POWER_AT, HZ_AT, VOLTS_AT = (1369, 19026), (1439, 19050), (1317, 19000)
PLAUSIBLE_W = 5e7  # a site of tens of kilowatts; beyond is nonsense to anybody


def look(
    *,
    rules: Rules,
    network: Network,
    plant: Plant,
    heard: Sequence[Heard],
    lives: Sequence[Life],
    moved: Sequence[Moved],
    sent: Sequence[Sent],
    published: Sequence[Published],
    agent_key: bytes,
) -> Outside:
    """All of it as the judges want it."""
    miners = {miner.host: miner for miner in plant.miners}
    outside = Outside(
        rules=rules,
        now_ns=network.loop.now_ns,
        lives=lives,
        talks=[_talk(talk) for talk in network.talks if talk.host in miners],
        seen=[_seen(answer) for answer in heard],
        rated_w={host: miner.rated_w for host, miner in miners.items()},
        watts=lambda load, at_ns: miners[load].watts(at_ns),
        settles=lambda load, at_ns: miners[load].settled_w(at_ns),
        unmetered=plant.unmetered.at,
        moved=moved,
        messages=[Message(item.at_ns, item.life, item.topic, item.payload, item.retain) for item in published],
        agent_key=agent_key,
    )
    accepted = _accepted(outside)
    outside.sent = [structs.replace(command, accepted_ns=accepted.get(command.sha)) for command in sent]
    return outside


def _talk(talk: WireTalk) -> Talk:
    whole = talk.reply.endswith(b"\0") or (bool(talk.reply) and talk.ended_ns is not None)
    kind = asks(talk.request)
    says_on = None
    if whole and kind is Asks.READ:
        says_on = True if b"In Work" in talk.reply else False if b"In Idle" in talk.reply else None
    return Talk(
        load=talk.host,
        life=talk.life,
        opened_ns=talk.opened_ns,
        asks=kind,
        sent_ns=talk.sent_ns,
        heard_ns=talk.heard_ns,
        answered_ns=(talk.ended_ns or talk.read_ns) if whole else None,
        says_on=says_on,
    )


def _seen(answer: Heard) -> Seen:
    shown = answer.shown
    power_w = shown.power_w if any(answer.tells(at) for at in POWER_AT) else None
    hz = shown.frequency_hz if any(answer.tells(at) for at in HZ_AT) else None
    return Seen(
        at_ns=answer.at_ns,
        life=answer.life,
        window=shown.window,
        power_w=power_w if power_w is not None and abs(power_w) < PLAUSIBLE_W else None,
        frequency_hz=hz,
        volts=shown.voltage_v if any(answer.tells(at) for at in VOLTS_AT) else None,
    )


def _accepted(outside: Outside) -> dict[str, int]:
    """Envelope's hash -> when the agent first told, signed, that it accepted it."""
    told: dict[str, int] = {}
    for message in outside.messages:
        if "/ack/" in message.topic:
            try:
                body = open_envelope(message.payload, message.topic.removeprefix(f"{outside.root}/"), outside.agent_key)
            except Unsound:
                continue
            if body.get("st") == "accepted":
                told.setdefault(str(body.get("cmd")), message.at_ns)
    return told
