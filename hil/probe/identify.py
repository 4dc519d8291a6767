"""Which profile describes the device, and in which table, from which base and in which word order it is to be read.

With a profile named, it is compared with the device in every way of reading: its own, the other table, the other word
order, and all addresses one lower or higher, which is what a manual's numbering gets wrong. Without one, every packaged
profile is tried in its own way. What cannot be judged (a PLC has no voltage) is judged by its profile's own limits.
"""

import time
from collections.abc import Sequence

from msgspec import Struct, structs

from hil.probe.failures import Unusable
from hil.probe.fit import Fit, Reading, best, judge, steadiest, tellers
from hil.probe.report import Report
from hil.probe.session import Session
from hil.probe.sheet import Item, Sheet, load_sheet, packaged

_TABLES = ("holding", "input")
_ORDERS = ("big", "little")
_ROUNDS, _ROUND_S = (
    8,
    0.15,
)  # more looks where several ways are as plausible as each other: 1.2 s, a slow meter's refresh
_SUNSPEC_AT = (40000, 50000, 0)  # SunSpec Device Information Model Specification, 6.2
_SUNSPEC_MARK = (0x5375, 0x6E53)  # "SunS"
_SUNSPEC_END = 0xFFFF
_MODELS_MAX = 64


class Known(Struct, frozen=True):
    """The profile, and how the device is really read."""

    sheet: Sheet  # addresses as on the wire of this device
    reading: Reading
    fitted: bool  # seen to be right, and not only taken from the file

    @property
    def items(self) -> tuple[Item, ...]:
        """The quantities where the device has them."""
        return tuple(_moved(item, self.reading.shift) for item in self.sheet.items)


def identify(session: Session, report: Report, sheet: Sheet | None, nominal_ln_v: float | None) -> Known:
    """What it is; Unusable when no profile is named and none of ours fits."""
    if sheet is not None:
        located = _located(session, sheet)
        if located is None:
            raise Unusable(f"{session.place} is no SunSpec device with a model of {sheet.name}", "name another profile")
        _prove(session, report, located)
        return _read_every_way(session, report, located, nominal_ln_v)
    return _search(session, report, nominal_ln_v)


def _read_every_way(session: Session, report: Report, sheet: Sheet, nominal_ln_v: float | None) -> Known:
    session.progress.stage(f"comparing with {sheet.name}")
    usual = Reading(sheet.table, 0, sheet.word_order)
    judged = tellers(sheet.items)
    if not judged:
        return _by_limits(session, report, sheet, usual)
    ways = [Reading(table, shift, order) for table in _TABLES for shift in (0, -1, 1) for order in _ORDERS]
    fits = _fits(session, judged, nominal_ln_v, ways)
    tied = best(fits)
    if not tied:
        report.find(
            "reading",
            "bad",
            f"no table, word order or base gives a frequency and voltage that can be: {_seen(fits, usual)}",
            "compare addresses, kinds and scales with the manual; is the voltage on? else give --nominal-v",
        )
        return Known(sheet, usual, False)
    fit = tied[0] if len(tied) == 1 else _steadiest(session, judged, nominal_ln_v, tied, usual)
    other = next(
        (one for one in fits if one.reading == structs.replace(fit.reading, order=_other(fit.reading.order))), None
    )
    said = f"{', '.join(f'{name} = {fit.values[name]:.5g}' for name in fit.plausible[:3])} from {_ways(fit.reading)}"
    if other is not None and other.wrong:
        said += f"; the other word order gives {other.wrong[0]}"
    if fit.wrong:
        report.find("reading", "bad", f"{said}; but {', '.join(fit.wrong)}", "compare these points with the manual")
    elif fit.reading == usual:
        report.find("reading", "good", said)
    else:
        report.find(
            "reading",
            "note",
            f"{said}, and not from {_ways(usual)} as the profile says",
            "take the profile that was written",
        )
    return Known(sheet, fit.reading, True)


def _fits(session: Session, judged: tuple[Item, ...], nominal_ln_v: float | None, ways: Sequence[Reading]) -> list[Fit]:
    """Each way's; what two of them have in common is read once."""
    places = dict.fromkeys((way.table, way.shift) for way in ways)
    registers = {place: session.items(place[0], judged, place[1]) for place in places}
    return [judge(judged, registers[way.table, way.shift], way, nominal_ln_v) for way in ways]


def _steadiest(
    session: Session, judged: tuple[Item, ...], nominal_ln_v: float | None, tied: list[Fit], usual: Reading
) -> Fit:
    ways = [fit.reading for fit in tied]
    rounds = []
    for number in range(_ROUNDS):
        session.progress.step(number, _ROUNDS)
        time.sleep(_ROUND_S)
        rounds.append(_fits(session, judged, nominal_ln_v, ways))
    return steadiest(tied, list(zip(*rounds, strict=True)), usual)


def _by_limits(session: Session, report: Report, sheet: Sheet, usual: Reading) -> Known:
    """No voltage, no frequency: how many of its quantities are within the profile's own limits."""
    scored = []
    for table in (usual.table, _TABLES[1 - _TABLES.index(usual.table)]):
        registers = session.items(table, sheet.items)
        right = [item.name for item in sheet.items if item.within(item.value(registers, usual.order))]
        scored.append((len(right), table))
    most, table = max(scored, key=lambda one: one[0])
    said = f"{most} of {len(sheet.items)} quantities are within the profile's limits, from {table} registers"
    if most == 0 and sheet.items:
        report.find("reading", "bad", said, "compare addresses, kinds and limits with the PLC's list")
    else:
        report.find("reading", "good" if most == len(sheet.items) and table == usual.table else "note", said)
    return Known(sheet, structs.replace(usual, table=table), most > 0)


def _search(session: Session, report: Report, nominal_ln_v: float | None) -> Known:
    """Every packaged profile of a meter in its own way; the one that fits."""
    session.progress.stage("trying the packaged profiles")
    names = packaged()
    fitting: list[tuple[int, int, str, Known]] = []
    for number, name in enumerate(names):
        session.progress.step(number, len(names))
        sheet = load_sheet(name)
        located = _located(session, sheet) if tellers(sheet.items) else None
        if located is None or _identity(session, located) is False:
            continue
        reading = Reading(sheet.table, 0, sheet.word_order)
        judged = tellers(located.items)
        fit = judge(judged, session.items(sheet.table, judged), reading, nominal_ln_v)
        if fit.fits and not fit.wrong:
            proven = _identity(session, located) is True
            fitting.append((int(proven), len(fit.plausible), name, Known(located, reading, True)))
    fitting.sort(key=lambda one: one[:2], reverse=True)
    if not fitting:
        raise Unusable(
            f"none of the {len(names)} packaged profiles fits {session.place}, unit {session.unit}",
            "type a draft from its manual (docs/probe.md shows ten lines) and give --profile DRAFT.toml",
        )
    rest = [name for _, _, name, _ in fitting[1:]]
    said = f"{fitting[0][2]} fits{', and its identity register agrees' if fitting[0][0] else ''}"
    if rest:
        report.find("profile", "note", f"{said}; so do {', '.join(rest)}", "name the right one by --profile")
    else:
        report.find("profile", "good", f"{said}, and no other of the {len(names)} packaged ones")
    return _read_every_way(session, report, fitting[0][3].sheet, nominal_ln_v)


def _prove(session: Session, report: Report, sheet: Sheet) -> None:
    identity = sheet.identity
    proof = _identity(session, sheet)
    if identity is None:
        report.find("profile", "note", f"{sheet.name} has no identity register", "look at the values below")
    elif proof is None:
        report.find("profile", "note", f"{sheet.name}: its identity register is refused ({session.refusal})")
    elif proof:
        report.find("profile", "good", f"{sheet.name}: its identity register agrees")
    else:
        report.find("profile", "bad", f"its identity register is not that of {sheet.name}", "name another profile")


def _identity(session: Session, sheet: Sheet) -> bool | None:
    """Whether the identity register agrees; None where there is none, or it is refused."""
    identity = sheet.identity
    if identity is None:
        return None
    registers = session.registers(identity.table, identity.item.at, identity.count)
    value = None if registers is None else identity.item.value(registers, sheet.word_order)
    return None if value is None else value in identity.expect


def _located(session: Session, sheet: Sheet) -> Sheet | None:
    """A SunSpec profile with the addresses that this device has; any other as it is. None: no such device."""
    if not sheet.sunspec:
        return sheet
    for start in _SUNSPEC_AT:
        mark = session.registers(sheet.table, start, 2)
        if mark is None or tuple(mark.values()) != _SUNSPEC_MARK:
            continue
        at = start + 2
        for _ in range(_MODELS_MAX):
            head = session.registers(sheet.table, at, 2)
            if head is None or head[at] == _SUNSPEC_END:
                break
            if head[at] in sheet.sunspec:
                return structs.replace(sheet, items=tuple(_moved(item, at) for item in sheet.items))
            at += 2 + head[at + 1]
    return None


def _moved(item: Item, by: int) -> Item:
    scale_at = None if item.scale_at is None else item.scale_at + by
    return structs.replace(item, at=item.at + by, scale_at=scale_at)


def _ways(reading: Reading) -> str:
    shifted = {0: "", -1: " one address lower", 1: " one address higher"}[reading.shift]
    return f"{reading.table} registers{shifted}, {reading.order} word first"


def _other(order: str) -> str:
    return _ORDERS[1 - _ORDERS.index(order)]


def _seen(fits: list[Fit], usual: Reading) -> str:
    """What the file's own way gave."""
    own = next(fit for fit in fits if fit.reading == usual)
    given = ", ".join(f"{name} = {value:.4g}" for name, value in list(own.values.items())[:4])
    return f"{_ways(usual)} give {given or 'nothing'}"
