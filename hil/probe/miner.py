"""The conformance set of a miner that speaks the cgminer API: it reads, and asks what has no answer.

How fast it answers and how its answers end, whether several clients at once are served and whether one that says
nothing locks out the others, what it says to a command that is none and to JSON that is none, how far its replies are
JSON, and how often its own watts and hash rate are renewed. Putting it to sleep is hil/probe/switching.py's.

Nothing here asks for `pools`, whose answer has the owner's account in it.
"""

import contextlib
import time
from collections import Counter

from msgspec import Struct

from hil.probe.failures import Failure
from hil.probe.families import FAMILIES, UNKNOWN, Family, State, family_name, read_state
from hil.probe.miner_reply import MinerReply, read_reply
from hil.probe.miner_wire import MinerLink, Said, json_request
from hil.probe.progress import Progress
from hil.probe.report import Report, Table
from hil.probe.spread import Renewal, renewal, short, spread
from hil.probe.wire import Wire, nonsense

_REPORTS = ("summary", "stats", "devs", "estats", "config", "devdetails")
_REPLIES = 50
_AT_ONCE = 10
_IDLE_S = 2.0  # how long a client that says nothing is there
_SPACING_NS = 250_000_000  # between two looks at watts and rate: its API has one thread
_SLOW_MS = 2_000.0  # a volley's answers are waited for about this long
_CLOCK_S = 60.0  # a clock that is off by more is no clock


class Miner(Struct, frozen=True):
    """What was found."""

    family: Family | None
    state: State


def probe_miner(link: MinerLink, report: Report, progress: Progress, seconds: float) -> Miner:
    """Everything that reads; raises a Failure where it cannot be measured at all."""
    progress.stage("asking who it is")
    said = link.must(link.ask(json_request("version"), "version.json"))
    version = read_reply(said.body)
    name = family_name(said.body.decode("utf-8", "replace"))
    if name == UNKNOWN and not version.letter:
        raise nonsense(link.place, f"this is no answer to `version`: {said.reply[:40]!r}")
    report.device = " ".join(f"{key} {value}" for row in version.rows for key, value in row.items())[:100]
    family = FAMILIES.get(name)
    _tell_family(report, name, family)
    saids = [said, *_reports(link, progress)]
    _tell_endings(report, saids)
    _tell_json(report, [read_reply(one.body) for one in saids])
    _clock(report, version)
    _reply_times(link, report, progress)
    _clients(link, report, progress)
    _nonsense(link, report, progress)
    state = State(None, None, None) if family is None else _renewals(link, report, progress, family, seconds)
    return Miner(family, state)


def _tell_family(report: Report, name: str, family: Family | None) -> None:
    report.measured["family"] = name
    if family is not None:
        report.find("family", "good", f'{name}: family = "{name}" in site.toml')
    elif name == UNKNOWN:
        mend = "its capture is what a new family begins with"
        report.find("family", "bad", "none that is known here: it is measured, and not switched", mend)
    else:
        report.find("family", "note", f"{name}: recognised, but the probe cannot switch it", "send its capture")


def _reports(link: MinerLink, progress: Progress) -> list[Said]:
    progress.stage("reading its reports")
    saids = [link.ask(json_request(name), f"{name}.json") for name in _REPORTS]
    saids.append(link.ask(json_request("summary+devs"), "summary_and_devs.json"))
    saids += [link.ask(name.encode(), f"{name}.txt") for name in ("version", "summary")]
    return saids


def _tell_endings(report: Report, saids: list[Said]) -> None:
    endings = Counter(said.ending for said in saids)
    words = ", ".join(f"{ending} ({count})" for ending, count in endings.most_common())
    report.measured["endings"] = dict(endings)
    if all(ending in ("NUL, closed", "closed", "newline, closed") for ending in endings):
        report.find("end of replies", "good", words)
    elif endings["no end"]:
        report.find("end of replies", "bad", words, "a reply without an end is waited for until the time-out")
    else:
        report.find("end of replies", "note", words)


def _tell_json(report: Report, replies: list[MinerReply]) -> None:
    odd = Counter(oddity for reply in replies for oddity in reply.oddities)
    unread = sum(bool(reply.oddities) and not reply.rows and not reply.letter for reply in replies)
    if unread:
        mend = "its capture is needed to mend it"
        report.find("replies", "bad", f"{unread} of {len(replies)} cannot be read: {', '.join(odd)}", mend)
    elif odd:
        report.find(
            "replies", "note", f"not quite JSON: {', '.join(f'{name} ({count})' for name, count in odd.items())}"
        )
    else:
        report.find("replies", "good", f"{len(replies)} of {len(replies)} are as they should be")


def _clock(report: Report, version: MinerReply) -> None:
    if version.when_s is None:
        report.find("clock", "note", "its replies carry no time")
        return
    off_s = version.when_s - time.time()
    report.measured["clock_off_s"] = round(off_s)
    if abs(off_s) < _CLOCK_S:
        report.find("clock", "good", f"{abs(off_s):.0f} s from ours")
    else:
        report.find("clock", "note", f"says {version.when_s}, which is {off_s:+,.0f} s from ours")


def _reply_times(link: MinerLink, report: Report, progress: Progress) -> None:
    progress.stage("reply times")
    times, connects, empty = [], [], 0
    for number in range(_REPLIES):
        progress.step(number, _REPLIES)
        said = link.ask(json_request("summary"))
        if said.reply:
            times.append(said.ms)
            connects.append(said.connect_ms)
        else:
            empty += 1
    taken, connecting = spread(times), spread(connects)
    if taken is None or connecting is None:
        report.find("reply time", "bad", f"{_REPLIES} requests, no answer", "is another client holding it?")
        return
    report.times["reply time of summary"] = taken
    report.measured["reply_ms"] = {"p50": taken.p50, "p99": taken.p99, "max": taken.max}
    said_words = f"{taken.line()}; connecting {short(connecting.p50)}, at most {short(connecting.max)} ms"
    if empty:
        report.find("reply time", "bad", f"{said_words}; {empty} of {_REPLIES} not answered", "watch its load")
    else:
        report.find("reply time", "good" if taken.p99 <= _SLOW_MS else "note", said_words)


def _clients(link: MinerLink, report: Report, progress: Progress) -> None:
    progress.stage("several clients at once")
    start_ns = time.monotonic_ns()
    wires: list[Wire] = []
    answered = 0
    for _ in range(_AT_ONCE):
        try:
            wires.append(link.open())
        except Failure:
            break
    for wire in wires:
        with contextlib.suppress(Failure):
            wire.send(json_request("version"))
    for wire in wires:
        answered += _answered(wire, link.timeout_s)
        wire.close()
    took_ms = (time.monotonic_ns() - start_ns) / 1e6
    report.measured["clients"] = answered
    words = f"{answered} of {_AT_ONCE} that asked at once were answered, in {short(took_ms)} ms"
    report.find("clients at once", "good" if answered == _AT_ONCE else "note", words)
    _silent_client(link, report)
    with link.open() as wire:
        link.finish(wire, json_request("version"))
        try:
            second = link.finish(wire, json_request("version")).reply
        except Failure:
            second = b""
    words = "a second request on one connection is " + ("answered" if second else "not answered: one each")
    report.find("same connection", "good", words)


def _answered(wire: Wire, timeout_s: float) -> bool:
    try:
        return bool(wire.receive(time.monotonic_ns() + round(timeout_s * 1e9)))
    except Failure:
        return False


def _silent_client(link: MinerLink, report: Report) -> None:
    """One connects and says nothing; is the next one answered before that one goes?"""
    with link.open() as quiet, link.open() as asking:
        asking.send(json_request("version"))
        locked_out = not _answered(asking, _IDLE_S)
        quiet.close()
        after = _answered(asking, link.timeout_s) if locked_out else True
    if not locked_out:
        report.find("silent client", "good", "one that connects and says nothing keeps nobody out")
    elif after:
        mend = "nothing else may keep a connection to it open: monitoring that does delays every verb"
        report.find("silent client", "note", "one that connects and says nothing locks out everybody else", mend)
    else:
        report.find("silent client", "note", "who waited behind a silent client was not answered afterwards either")


def _nonsense(link: MinerLink, report: Report, progress: Progress) -> None:
    progress.stage("commands that are none")
    unknown = read_reply(link.ask(json_request("bogus"), "bogus.json").body)
    if unknown.letter in ("E", "F"):
        report.find("unknown command", "good", f"refused: {unknown.code} {unknown.words}")
    else:
        said = f"answered {unknown.letter} {unknown.code} {unknown.words}".strip()
        report.find("unknown command", "note", said if unknown.letter else "not answered")
    broken = read_reply(link.ask(b'{"command":"summary"', "bad-json.json").body)
    if broken.letter in ("E", "F"):
        report.find("broken JSON", "good", f"refused: {broken.code} {broken.words}")
    else:
        report.find("broken JSON", "note", "not answered" if not broken.letter else "answered as if it were whole")
    with link.open() as wire:
        wire.send(b'{"command":')
        time.sleep(0.2)
        try:
            split = read_reply(link.finish(wire, b'"version"}').body)
        except Failure:
            split = read_reply(b"")
    whole = split.letter == "S"
    report.find("split request", "good", "put together again" if whole else "not put together: one segment each")


def _renewals(link: MinerLink, report: Report, progress: Progress, family: Family, seconds: float) -> State:
    progress.stage("how often its watts and hash rate are renewed")
    watts: list[tuple[int, object]] = []
    rates: list[tuple[int, object]] = []
    state = State(None, None, None)
    start_ns = time.monotonic_ns()
    while (now_ns := time.monotonic_ns()) - start_ns < seconds * 1e9:
        progress.step((now_ns - start_ns) / 1e9, seconds)
        state = read_state(link, family)
        watts.append((now_ns, state.watts))
        rates.append((now_ns, state.rate_ths))
        time.sleep(max(0.0, (_SPACING_NS - (time.monotonic_ns() - now_ns)) / 1e9))
    found = {
        "watts": (state.watts, renewal("watts", watts)),
        "hash rate": (state.rate_ths, renewal("hash rate", rates)),
    }
    report.measured["state"] = state
    report.measured["renewals"] = {name: one for name, (_, one) in found.items()}
    rows = [("on", "not told" if state.on is None else str(state.on).lower(), "")]
    rows += [(name, *_shown(value, one)) for name, (value, one) in found.items()]
    report.tables.append(Table("what it says of itself", ("quantity", "is", "renewed every"), rows))
    if state.watts is None:
        report.find("own watts", "note", "it tells none", "give --at-meter when it is switched; rated_w is what counts")
    return state


def _shown(value: float | None, one: Renewal) -> tuple[str, str]:
    return ("not told", "") if value is None else (f"{value:,.2f}", one.words())
