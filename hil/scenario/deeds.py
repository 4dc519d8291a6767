"""The timeline's verbs, done on a stage."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from msgspec import Struct, structs

from hil.scenario import verbs
from hil.scenario.conditions import unmet
from hil.scenario.file import Entry
from hil.scenario.seen import expand
from hil.scenario.stage import Stage
from hil.under_test import person

_JUDGED_S = 30.0
T = TypeVar("T", bound=Struct)


class Deeds:
    """Does them; what a verb needs that its stage lacks was seen before it began (place.py)."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._own: dict[str, Callable[[Entry], None]] = {
            "wait": self._wait,
            "pause": lambda entry: None,
            "half_open": self._half_open,
            "loss": self._loss,
            "kill_agent": lambda entry: stage.agent.kill(),
            "stop_agent": lambda entry: stage.stop_agent(),
            "start_agent": lambda entry: stage.start_agent(settled=_of(entry, verbs.Start).settled),
            "broker": self._broker,
            "send": self._send,
            "release": self._release,
            "resend": self._resend,
            "person": self._person,
            "gpud": self._gpud,
            "fill_disk": lambda entry: self._disk().fill(),
            "free_disk": lambda entry: self._disk().free(),
            "step_clock": self._step_clock,
        }

    def do(self, entry: Entry) -> None:
        """One entry."""
        if entry.do in self._own:
            self._own[entry.do](entry)
            return
        arguments = verbs.plain(entry.arguments)
        names = arguments.get("miners")
        if names is not None:
            arguments["miners"] = [address for name in names for address in expand(name, self._stage.loads)]
        self._stage.rig.do(entry.do, **arguments)

    def _wait(self, entry: Entry) -> None:
        wait = _of(entry, verbs.Wait)
        sight = self._stage.sight()
        self._stage.wait_for("waited for", lambda: unmet(wait.until, sight), wait.within_s)

    def _half_open(self, entry: Entry) -> None:
        """The device loses its connections while nothing passes: it forgets them, and the agent does not hear of it."""
        device = _of(entry, verbs.Device).device
        stage = self._stage
        assert stage.network is not None
        stage.network.lose(device, self._endpoints(device), 100.0)
        meters = {meter.id for meter in stage.file.meter}
        kind = "meter" if device in meters else "plc"
        for fault in ("refuse", "none"):
            stage.rig.do(f"{kind}_fault", **{kind: device}, fault=fault)
        stage.network.lose(device, self._endpoints(device), 0.0)

    def _loss(self, entry: Entry) -> None:
        loss = _of(entry, verbs.Loss)
        assert self._stage.network is not None
        self._stage.network.lose(loss.device, self._endpoints(loss.device), loss.percent)

    def _endpoints(self, device: str) -> list[tuple[str, int]]:
        rig = self._stage.rig
        if device in rig.miners:
            port = next(group.port for group in self._stage.file.miners if group.id == device)
            return [(address, port) for address in rig.miners[device]]
        host, _, port_text = rig.modbus[device].rpartition(":")
        return [(host, int(port_text))]

    def _broker(self, entry: Entry) -> None:
        assert self._stage.broker is not None
        getattr(self._stage.broker, _of(entry, verbs.Broker).to)()

    def _send(self, entry: Entry) -> None:
        wanted = _of(entry, verbs.Send)
        stage = self._stage
        assert stage.ears is not None
        command = stage.commands[entry.id] = stage.issuers.seal(wanted, stage.epoch())
        stage.ears.say(command.topic, command.data, retain=wanted.retain)
        if stage.agent.pid is not None and (wanted.spoil != "none" or wanted.dry):
            self._judged(stage.epoch())

    def _judged(self, epoch: int) -> None:
        """Comes back when what was sent was judged: a dry command after it is answered."""
        stage = self._stage
        assert stage.ears is not None
        marker = stage.issuers.marker(epoch)
        stage.ears.say(marker.topic, marker.data)
        ears = stage.ears
        stage.wait_for(
            "a command after it is answered",
            lambda: not any(one.body.get("cmd") == marker.digest for one in ears.records()),
            _JUDGED_S,
        )

    def _release(self, entry: Entry) -> None:
        stage = self._stage
        assert stage.ears is not None
        command = stage.issuers.release(stage.commands[_of(entry, verbs.Of).of].id, stage.epoch())
        stage.commands[entry.id] = command
        stage.ears.say(command.topic, command.data)

    def _resend(self, entry: Entry) -> None:
        """The same bytes again."""
        command = self._stage.commands[_of(entry, verbs.Of).of]
        assert self._stage.ears is not None
        self._stage.ears.say(command.topic, command.data)

    def _person(self, entry: Entry) -> None:
        does = _of(entry, verbs.Person)
        target = does.target
        if ":" in target:
            (address,) = expand(target, self._stage.loads)
            group = next(name for name, miners in self._stage.rig.miners.items() if address in miners)
            target = f"{group}/{address}"
        more = ("--leave",) if does.leave else ()
        person(self._stage.agent.socket, does.verb, target, *more, why=self._stage.scenario.name)

    def _gpud(self, entry: Entry) -> None:
        assert self._stage.gpud is not None
        getattr(self._stage.gpud, _of(entry, verbs.Gpud).to)()

    def _step_clock(self, entry: Entry) -> None:
        assert self._stage.clock is not None
        self._stage.clock.step(_of(entry, verbs.Step).by_s)

    def _disk(self) -> Any:
        assert self._stage.disk is not None
        return self._stage.disk


def said(entry: Entry) -> str:
    """An entry in words, for a mark on the plots."""
    if entry.do == "wait":
        until = structs.asdict(_of(entry, verbs.Wait).until)
        return "seen: " + ", ".join(f"{key} {value}" for key, value in until.items() if value is not None)
    given = {key: value for key, value in verbs.plain(entry.arguments).items() if value not in (None, (), [], "none")}
    words = ", ".join(f"{key} {value}" for key, value in given.items())
    return f"{entry.do.replace('_', ' ')} {words}".strip()


def sleep_until(entry: Entry, start_s: float, before_s: float) -> None:
    """Until an entry's own time."""
    due_s = before_s + entry.after_s if entry.s is None else start_s + entry.s
    time.sleep(max(0.0, due_s - time.monotonic()))


def _of(entry: Entry, kind: type[T]) -> T:
    assert isinstance(entry.arguments, kind)
    return entry.arguments
