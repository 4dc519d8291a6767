"""From a world to its Outside: what the wires, the plant and the broker logged, in the judges' words."""

import re
from collections.abc import Sequence

from msgspec import structs

from tests.sim.contactors import VirtualSwitchgear
from tests.sim.gpus import WANTS_W, VirtualGpus
from tests.sim.gpus import Said as GpudSaid
from tests.sim.judges.devices import Devices, Leased, PlcPut, PlcSeen, Poles, Said, Welded
from tests.sim.judges.envelope import Unsound, open_envelope
from tests.sim.judges.outside import Asks, Life, Message, Moved, Outside, Rules, Seen, Sent, Talk, asks
from tests.sim.modbus import Heard
from tests.sim.mqtt import Published
from tests.sim.plant import Plant
from tests.sim.plc import VirtualPlc
from tests.sim.tank import VirtualTank
from tests.sim.transport import Put
from tests.sim.wire import Network
from tests.sim.wire import Talk as WireTalk

POWER_AT, HZ_AT, VOLTS_AT = (1369, 19026), (1439, 19050), (1317, 19000)
_CURTAIL_MODE = re.compile(rb'"CurtailMode": "([^"]*)"')
PLAUSIBLE_W = 5e7  # a site of tens of kilowatts; beyond is nonsense to anybody


def look(
    *,
    rules: Rules,
    devices: Devices,
    network: Network,
    plant: Plant,
    heard: Sequence[Heard],
    lives: Sequence[Life],
    moved: Sequence[Moved],
    sent: Sequence[Sent],
    published: Sequence[Published],
    agent_key: bytes,
    tank: VirtualTank | None,
    gear: VirtualSwitchgear | None,
    gpus: VirtualGpus | None,
    welds: Sequence[Welded],
    said: Sequence[Said],
    ailing: Sequence[tuple[int, frozenset[str]]],
) -> Outside:
    """All of it as the judges want it."""
    loads = plant.loads
    talks = [_talk(talk) for talk in network.talks if talk.host in loads]
    devices.welds, devices.said = welds, said
    plcs = [plc for plc in (tank, gear) if plc is not None]
    devices.seen = sorted(
        (PlcSeen(told.at_ns, plc.name, told.life, told.values) for plc in plcs for told in plc.answers),
        key=lambda seen: seen.at_ns,
    )
    names = [] if gear is None else [contactor.name for contactor in gear.contactors]
    devices.puts = [plc_put(plc, put, names) for plc in plcs for put in plc.puts]
    if gear is not None:
        devices.poles = [Poles(move.at_ns, move.contactor, move.closed, move.ours) for move in gear.moves]
        talks += [_switched(put, name, on) for put in devices.puts for name, on in put.coils]
    if gpus is not None:
        talks += [_limited(frame, gpus) for frame in gpus.said if frame.what == "set"]
        renewed = [frame for frame in gpus.said if frame.what == "renew"]
        devices.leased = [Leased(one.heard_ns, one.life, one.uuid, one.limit_w or 0.0) for one in renewed]
        devices.limit_w = lambda uuid, at_ns: gpus.gpus[uuid].limit_at(at_ns)
        devices.ailing = lambda uuid, at_ns: uuid in next((who for of, who in reversed(ailing) if of <= at_ns), ())
    outside = Outside(
        rules=rules,
        now_ns=network.loop.now_ns,
        lives=lives,
        talks=sorted(talks, key=lambda talk: talk.opened_ns),
        seen=[_seen(answer) for answer in heard],
        rated_w={name: load.rated_w for name, load in loads.items()},
        watts=lambda load, at_ns: loads[load].watts(at_ns),
        settles=lambda load, at_ns: loads[load].settled_w(at_ns),
        unmetered=plant.unmetered.at,
        moved=moved,
        messages=[Message(item.at_ns, item.life, item.topic, item.payload, item.retain) for item in published],
        agent_key=agent_key,
        devices=devices,
    )
    accepted = _accepted(outside)
    outside.sent = [structs.replace(command, accepted_ns=accepted.get(command.sha)) for command in sent]
    return outside


def plc_put(plc: VirtualPlc, put: Put, contactors: Sequence[str]) -> PlcPut:
    """One write to a PLC."""
    what = "coils" if put.table == "coil" else "heartbeat" if put.at == plc.heartbeat_at else "other"
    coils: tuple[tuple[str, bool], ...] = ()
    if what == "coils":
        named = contactors[put.at : put.at + len(put.values)]
        coils = tuple((name, bool(value)) for name, value in zip(named, put.values, strict=False))
    return PlcPut(put.sent_ns, plc.name, put.life, what, coils, put.arrived_ns, put.answered_ns)


def _switched(put: PlcPut, name: str, on: bool) -> Talk:
    asked = Asks.ON if on else Asks.OFF
    return Talk(name, put.life, put.at_ns, asked, put.at_ns, put.done_ns, put.answered_ns)


def _limited(frame: GpudSaid, gpus: VirtualGpus) -> Talk:
    limit_w = frame.limit_w if frame.limit_w is not None else frame.present_w
    rises_w = min(limit_w, WANTS_W) - min(frame.present_w, gpus.gpus[frame.uuid].watts(frame.heard_ns))
    asked = Asks.OTHER if limit_w == frame.present_w else Asks.ON if limit_w > frame.present_w else Asks.OFF
    return Talk(
        frame.uuid, frame.life, frame.sent_ns, asked, frame.sent_ns, frame.heard_ns, None, rise_w=max(0.0, rises_w)
    )


def _talk(talk: WireTalk) -> Talk:
    whole = talk.reply.endswith(b"\0") or (bool(talk.reply) and talk.ended_ns is not None)
    kind = asks(talk.request)
    says_on = None
    if whole and kind is Asks.READ:
        says_on = True if b"In Work" in talk.reply else False if b"In Idle" in talk.reply else None
        mode = _CURTAIL_MODE.search(talk.reply)
        if mode is not None:
            says_on = mode.group(1) == b"None"
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
