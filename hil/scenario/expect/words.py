"""What the agent tells: modes, events, statuses of commands, and that all of it is signed, whole and in order."""

from typing import ClassVar

from hil.scenario.expect.base import Expect, Judged
from hil.scenario.seen import Seen


class InMode(Expect, frozen=True, tag="mode"):
    """The circuit is (or with never: is not) in this mode at some instant of the window."""

    mode: str
    never: bool = False

    def judge(self, seen: Seen) -> Judged:
        begin_s, end_s = self.window(seen)
        said = [(one.at_s, one.mode) for one in seen.samples if begin_s <= one.at_s <= end_s and one.mode is not None]
        came = next((at_s for at_s, mode in said if mode == self.mode), None)
        expected = f"{'never ' if self.never else ''}{self.mode} {self.where()}"
        modes = ", ".join(dict.fromkeys(str(mode) for _, mode in said)) or "nothing was said"
        seen_as = f"{self.mode} after {came - begin_s:.1f} s" if came is not None else modes
        return Judged((came is None) == self.never and bool(said), expected, seen_as)


class Event(Expect, frozen=True, tag="event"):
    """An event record of this kind comes in the window, at least and at most so often."""

    kind: str
    rule: str | None = None
    why: str | None = None  # its why has this in it
    at_least: int = 1
    at_most: int | None = None
    lag_s: float = 2.0  # a record may be that long on its way

    def judge(self, seen: Seen) -> Judged:
        begin_s, end_s = self.window(seen)
        came = [
            one
            for one in seen.events(self.rule, self.kind)
            if begin_s <= one.at_s <= end_s + self.lag_s and (self.why is None or self.why in (one.body["why"] or ""))
        ]
        often = f"{self.at_least} or more" if self.at_most is None else f"{self.at_least} to {self.at_most}"
        of = f" of {self.rule}" if self.rule else ""
        about = f" about {self.why!r}" if self.why else ""
        expected = f"{often} {self.kind}{of}{about} {self.where()}"
        ok = len(came) >= self.at_least and (self.at_most is None or len(came) <= self.at_most)
        first = f", the first: {came[0].body['why'] or 'no why'}" if came else ""
        return Judged(ok, expected, f"{len(came)} came{first}")


class Story(Expect, frozen=True, tag="story"):
    """The records of a rule's events, in order; of one event unless `events` says otherwise."""

    rule: str
    kinds: tuple[str, ...]
    events: int = 1

    def judge(self, seen: Seen) -> Judged:
        begin_s, _ = self.window(seen)
        records = [one.body for one in seen.events(self.rule) if one.body.get("ev") and one.at_s >= begin_s]
        story = tuple(body["k"] for body in records)
        names = {body["ev"] for body in records}
        expected = f"{self.rule}: {' '.join(self.kinds)}, {self.events} event{'s' if self.events != 1 else ''}"
        return Judged(
            story == self.kinds and len(names) == self.events, expected, f"{' '.join(story)}, {len(names)} events"
        )


class Records(Expect, frozen=True, tag="records"):
    """Every message verifies, in sequence and chained, and none is missing that was not declared lost."""

    gaps_max: int = 0  # signed losses

    def judge(self, seen: Seen) -> Judged:
        gaps = [one for one in seen.records if one.body.get("t") == "gap"]
        expected = "every record verifies, in sequence and chained, none missing"
        if seen.refused:
            return Judged(False, expected, f"{len(seen.refused)} refused; the first: {seen.refused[0]}")
        if seen.missing:
            return Judged(False, expected, f"{len(seen.missing)} missing; the first: {seen.missing[0]}")
        if not seen.records:
            return Judged(False, expected, "none came")
        said = f"{len(seen.records)} records" + (f", {len(gaps)} losses declared" if gaps else "")
        return Judged(len(gaps) <= self.gaps_max, expected, said)


class Ack(Expect, frozen=True, tag="ack"):
    """What becomes of a command, status after status; () for one that must not be answered."""

    of: str
    states: tuple[str, ...]
    code: str | None = None  # of the last
    in_force: bool | None = None  # whether its limit is ever among the leases of ctl

    def judge(self, seen: Seen) -> Judged:
        sent = seen.commands[self.of]
        acks = [
            one.body
            for one in seen.records
            if one.channel.startswith("ack/") and sent.id and one.body.get("cmd") == sent.digest
        ]
        by_number = {body["n"]: body for body in acks}  # a status may be told again
        states = tuple(body["st"] for _, body in sorted(by_number.items()))
        code = by_number[max(by_number)].get("code") if by_number else None
        leases = {lease["id"] for one in seen.records if one.channel == "ctl" for lease in one.body["leases"]}
        expected = " ".join(self.states) or "no answer"
        expected += f" ({self.code})" if self.code else ""
        ok = states == self.states and (self.code is None or code == self.code)
        if self.in_force is not None:
            expected += ", in force" if self.in_force else ", never in force"
            ok = ok and (sent.id in leases) == self.in_force
        said = " ".join(states) or "no answer"
        return Judged(ok, f"{self.of}: {expected}", said + (f" ({code})" if code else ""))


class Response(Expect, frozen=True, tag="response"):
    """What the frequency rule says that it could give is (or is not) 0 kW at some instant of the window."""

    zero: bool = True

    def judge(self, seen: Seen) -> Judged:
        begin_s, end_s = self.window(seen)
        said = [one.response_kw for one in seen.samples if begin_s <= one.at_s <= end_s and one.response_kw is not None]
        expected = f"the published response is {'0' if self.zero else 'more than 0'} kW {self.where()}"
        ok = any((kw == 0.0) == self.zero for kw in said)
        if not said:
            return Judged(False, expected, "none was published")
        return Judged(ok, expected, f"{min(said):g} to {max(said):g} kW")


class Limit(Expect, frozen=True, tag="limit"):
    """The circuit's upper bound, as the status tells it, is never (or at some instant) this."""

    kw: float
    always: bool = True

    def judge(self, seen: Seen) -> Judged:
        begin_s, end_s = self.window(seen)
        said = [one.hi_kw for one in seen.samples if begin_s <= one.at_s <= end_s and one.hi_kw is not None]
        expected = f"the limit is {'always' if self.always else 'once'} {self.kw:g} kW {self.where()}"
        if not said:
            return Judged(False, expected, "none was told")
        same = [abs(kw - self.kw) < 0.01 for kw in said]
        ok = all(same) if self.always else any(same)
        return Judged(ok, expected, f"{min(said):g} to {max(said):g} kW")


class StatusHas(Expect, frozen=True, tag="status"):
    """A part of the agent's status, at the end, has this in it; `empty` for one that has nothing."""

    key: str
    has: str = ""
    empty: bool = False

    def judge(self, seen: Seen) -> Judged:
        value = seen.status.get(self.key)
        if self.empty:
            return Judged(value is not None and not value, f"{self.key} is empty at the end", str(value))
        return Judged(self.has in str(value), f"{self.key} has {self.has!r} at the end", str(value))


class Logged(Expect, frozen=True, tag="logged"):
    """The agent's log has this in it (or with never: has not)."""

    has: str
    never: bool = False

    def judge(self, seen: Seen) -> Judged:
        count = seen.words.count(self.has)
        expected = f"{'no' if self.never else 'a'} line with {self.has!r}"
        return Judged(bool(count) != self.never, expected, f"{count} of them")


class Sound(Expect, frozen=True, tag="sound"):
    """The agent did not crash: no traceback in its words, exit code 0 wherever it was told to stop."""

    sights: ClassVar = ()

    def judge(self, seen: Seen) -> Judged:
        wrong = [code for code in seen.exits if code != 0]
        at = seen.words.find("Traceback")
        expected = "the agent runs to the end and stops when told"
        if at >= 0:
            return Judged(False, expected, seen.words[at : at + 400].strip().splitlines()[-1])
        return Judged(not wrong, expected, f"exit code {wrong[0]}" if wrong else "exit code 0")
