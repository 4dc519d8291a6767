"""The conformance set of a Modbus device, meter or PLC: what it is asked, in which order, and what is made of it.

First whether it answers at all and which profile it is; then how long a read may be, how fast it answers, and how it
behaves when it is asked what it does not have or by two at once; at last how often each value is renewed, which takes
most of the time. What was measured goes into a profile (hil/probe/profile.py), all bytes into the dump.

The agent polls a device every third of its refresh, from 20 to 500 ms (fast_ms), and gives an answer 250 ms.
"""

import time
from collections.abc import Callable

from msgspec import Struct

from hil.probe.dump import Dump
from hil.probe.fit import adds_up, volt_amperes
from hil.probe.identify import Known, identify
from hil.probe.limits import Block, Longest, blocks, longest_read
from hil.probe.manners import IdleWatch, device_name, look_at_connections, look_at_refusals
from hil.probe.modbus import Answer
from hil.probe.place import Place
from hil.probe.progress import Progress
from hil.probe.report import Report, Table
from hil.probe.session import Session
from hil.probe.sheet import Bit, Item, Sheet, load_sheet
from hil.probe.spread import Renewal, renewal, short, spread

Actuate = Callable[[Session, Report, Sheet], None]

_REPLIES = 200
_REPLIES_S = 10.0  # no longer than this, on slow lines
_SPACING_NS = 10_000_000  # between two reads while refresh is measured: no more than 100 a second
_SLOW_SHARE = 0.5  # of the time, for what is not polled fast
REPLY_MS_MAX = 250.0  # the agent's patience with an answer over TCP
FAST_MS = (20.0, 500.0)
_FFR_MS = 500.0  # a value that is renewed less often is too late for most frequency programmes


class Asked(Struct, frozen=True, kw_only=True):
    """What a person wants of the probe."""

    kind: str  # "meter" or "plc"
    place: Place
    unit: int = 1
    profile: str | None = None
    nominal_ln_v: float | None = None
    seconds: float = 20.0
    timeout_s: float = 1.0


class Measured(Struct):
    """What goes into the profile."""

    known: Known
    longest: Longest | None = None
    blocks: list[Block] = []
    renewals: dict[str, Renewal] = {}
    values: dict[str, float | None] = {}
    registers: dict[int, int] = {}  # the newest that each value was made from


def probe_modbus(
    asked: Asked, dump: Dump, progress: Progress, actuate: Actuate | None = None
) -> tuple[Report, Measured]:
    """Everything; raises a Failure where the device cannot be measured at all."""
    start_s = time.monotonic()
    report = Report(asked.kind, f"{asked.place}, unit {asked.unit}")
    sheet = None if asked.profile is None else load_sheet(asked.profile)
    progress.stage("asking who it is")
    session = Session(asked.place, asked.unit, dump, progress, asked.timeout_s)
    try:
        session.client.read("holding", 0, 1)  # any answer will do, an exception too; silence ends the probe here
        report.device = device_name(session)
        known = identify(session, report, sheet, asked.nominal_ln_v)
        measured = Measured(known)
        _measure(session, asked, report, measured)
        if actuate is not None:
            actuate(session, report, known.sheet)
    finally:
        session.close()
    report.seconds = time.monotonic() - start_s
    return report, measured


def _measure(session: Session, asked: Asked, report: Report, measured: Measured) -> None:
    known = measured.known
    table, items = known.reading.table, known.items
    session.progress.stage("looking for the longest read")
    measured.longest = longest_read(session, table, items)
    if measured.longest is None and not known.sheet.bits:
        report.find(
            "longest read", "bad", f"no register of the profile is given: {session.refusal}", "name another profile"
        )
        return
    if measured.longest is not None:
        _tell_longest(report, measured.longest, known.sheet)
        measured.blocks = blocks(session, table, items, measured.longest.at_most)
    _tell_missing(report, measured, items)
    _bits(session, report, known.sheet.bits)
    if not measured.blocks:
        return
    fast = _fast(measured.blocks)
    _reply_times(session, report, fast[0])
    look_at_refusals(session, report, fast[0])
    if not asked.place.rtu:
        look_at_connections(session, report, fast[0])
    watch = None if asked.place.rtu else IdleWatch(session, fast[0])
    _refresh(session, report, measured, fast, asked.seconds, watch)
    slow = _others(measured.blocks, fast)
    if slow:
        _refresh(session, report, measured, slow, asked.seconds * _SLOW_SHARE, watch)
    if watch is not None:
        watch.end(report)
    _tell_refresh(report, measured)
    _tell_sums(report, measured)
    report.tables.append(_table(measured, items))


def _tell_longest(report: Report, longest: Longest, sheet: Sheet) -> None:
    report.measured["registers_max"] = longest.registers
    said = f"{longest.registers} registers"
    if longest.registers < sheet.registers_max and longest.limit:
        report.find(
            "longest read",
            "note",
            f"{said}, where the profile says {sheet.registers_max}",
            "take the one that was written",
        )
    elif longest.limit:
        report.find("longest read", "good", f"{said}; more is refused ({longest.why})" if longest.why else said)
    else:
        report.find("longest read", "good", f"{said} at least; behind them {longest.why}")


def _tell_missing(report: Report, measured: Measured, items: tuple[Item, ...]) -> None:
    given = {item.name for block in measured.blocks for item in block.items}
    missing = [item.name for item in items if item.name not in given]
    reads = f"{len(given)} of {len(items)} quantities are given, in {len(measured.blocks)} reads"
    if missing:
        report.find(
            "quantities",
            "note",
            f"{reads}; not {', '.join(missing)}",
            "they are left out of the profile that was written",
        )
    else:
        report.find("quantities", "good", reads)


def _bits(session: Session, report: Report, bits: tuple[Bit, ...]) -> None:
    """What a PLC says in bits, each read by itself."""
    if not bits:
        return
    on: dict[str, bool | None] = {}
    for bit in bits:
        answer = session.try_read(bit.table, bit.at, 1)
        on[bit.name] = None if answer is None else _is_on(bit, answer)
    report.measured["bits"] = on
    refused = [name for name, is_on in on.items() if is_on is None]
    said = (
        f"{len(bits) - len(refused)} of {len(bits)} are given; on: {', '.join(n for n, v in on.items() if v) or 'none'}"
    )
    if refused:
        report.find(
            "bits", "bad", f"{said}; refused: {', '.join(refused)} ({session.refusal})", "compare with its list"
        )
    else:
        report.find("bits", "good", said)


def _is_on(bit: Bit, answer: Answer) -> bool:
    if bit.table in ("coil", "discrete"):
        return answer.bits(1)[0]
    return bool(answer.registers()[0] >> bit.bit & 1)


def _fast(given: list[Block]) -> list[Block]:
    """The blocks with something in them that is polled fast; all where the profile says of nothing that it is."""
    return [block for block in given if any(item.fast for item in block.items)] or given


def _others(given: list[Block], fast: list[Block]) -> list[Block]:
    return [block for block in given if block not in fast]


def _reply_times(session: Session, report: Report, block: Block) -> None:
    session.progress.stage(f"reply times of {block.count} registers")
    times: list[float] = []
    end_s = time.monotonic() + _REPLIES_S
    while len(times) < _REPLIES and time.monotonic() < end_s:
        session.progress.step(len(times), _REPLIES)
        answer = session.try_read(block.table, block.at, block.count)
        if answer is None:
            report.find(
                "reply time", "bad", f"after {len(times)} good replies: {session.refusal}", "is the line disturbed?"
            )
            break
        times.append(answer.ms)
    taken = spread(times)
    if taken is None:
        return
    report.times[f"reply time of {block.count} registers"] = taken
    report.measured["reply_ms"] = {"p50": taken.p50, "p99": taken.p99, "max": taken.max}
    slow = taken.p99 > REPLY_MS_MAX
    mend = f"the agent waits {REPLY_MS_MAX:g} ms: raise the line's speed, or read less at once" if slow else ""
    report.find("reply time", "bad" if slow else "good", taken.line(), mend)


def _refresh(
    session: Session, report: Report, measured: Measured, given: list[Block], seconds: float, watch: IdleWatch | None
) -> None:
    """Reads the same over and over; when did which value change?"""
    session.progress.stage("how often its values are renewed")
    order = measured.known.reading.order
    seen: dict[str, list[tuple[int, object]]] = {item.name: [] for block in given for item in block.items}
    start_ns = time.monotonic_ns()
    while (now_ns := time.monotonic_ns()) - start_ns < seconds * 1e9:
        session.progress.step((now_ns - start_ns) / 1e9, seconds)
        for block in given:
            answer = session.try_read(block.table, block.at, block.count)
            if answer is None:
                continue
            registers = dict(enumerate(answer.registers(), block.at))
            measured.registers |= registers
            for item in block.items:
                seen[item.name].append((answer.taken_ns, tuple(registers[at] for at in range(item.first, item.end))))
                measured.values[item.name] = item.value(registers, order)
        if watch is not None:
            watch.look()
        time.sleep(max(0.0, (_SPACING_NS - (time.monotonic_ns() - now_ns)) / 1e9))
    measured.renewals |= {name: renewal(name, reads) for name, reads in seen.items()}


def _tell_refresh(report: Report, measured: Measured) -> None:
    report.measured["renewals"] = measured.renewals
    refresh = newest_refresh(measured)
    if refresh is None or refresh.refresh_ms is None:
        said = "no value changed often enough to say how often it is renewed"
        report.find("refresh", "note", said, "let the load change, or give more --seconds")
        return
    fast_ms = min(max(refresh.refresh_ms / 3, FAST_MS[0]), FAST_MS[1])
    report.measured["fast_ms"] = round(fast_ms)
    said = f"{refresh.name} every {refresh.words()}, seen to {short(refresh.spacing_ms)} ms; fast_ms = {fast_ms:.0f}"
    late = refresh.refresh_ms > _FFR_MS
    report.find("refresh", "note" if late else "good", said, "too late for most frequency programmes" if late else "")


def newest_refresh(measured: Measured) -> Renewal | None:
    """The one that stands for the device: of the power, else of what is renewed most often."""
    told = [one for one in measured.renewals.values() if one.refresh_ms is not None]
    power = [one for one in told if one.name == "power_w"]
    return min(power or told, key=lambda one: one.refresh_ms or 0.0, default=None)


def _tell_sums(report: Report, measured: Measured) -> None:
    values = {name: value for name, value in measured.values.items() if value is not None}
    for name, judged in (("sum of phases", adds_up(values)), ("volt-amperes", volt_amperes(values))):
        if judged is not None:
            good, said = judged
            mend = (
                ""
                if good
                else "a scale is wrong, or a current transformer sits on another phase or faces the other way"
            )
            report.find(name, "good" if good else "bad", said, mend)
    wrong = [item.name for item in measured.known.items if item.name in values and not item.within(values[item.name])]
    if wrong:
        report.find(
            "limits", "bad", f"outside of the profile's own min and max: {', '.join(wrong)}", "compare with the manual"
        )


def _table(measured: Measured, items: tuple[Item, ...]) -> Table:
    rows = []
    for item in items:
        if item.name in measured.renewals:
            value = measured.values.get(item.name)
            shown = "no value" if value is None else f"{value:,.3f}"
            rows.append((item.name, str(item.at), item.kind, shown, measured.renewals[item.name].words()))
    return Table("values", ("quantity", "at", "kind", "is", "renewed every"), rows)
