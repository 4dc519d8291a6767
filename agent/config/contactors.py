"""Contactors: their coils, bits and permits, what they feed, and that their writes and permits are fast enough.

A contactor closes only with its permits read within 500 ms (design 4.14), so its PLC is polled at least twice in that
time. Its coil's write waits for at most the transaction in flight, where writes have a connection of their own; where
they have none, for a meter's reads too, which therefore must not come close together.
"""

from typing import Final

from agent.config.devices import ContactorTable, PlcTable
from agent.config.lines import Path
from agent.config.reading import Draft, nearest
from drivers.profile import Profile, wired

METER_FAST_MS_MIN: Final = 100
PLC_FAST_MS_MAX: Final = 250


def check_contactors(draft: Draft) -> None:
    """Every check of contactors."""
    plcs = {plc.id: plc for _, plc in draft.plcs}
    taken: dict[tuple[str, str], str] = {}  # PLC and what on it -> which contactor has it
    for path, contactor in draft.contactors:
        plc = plcs.get(contactor.plc)
        profile = draft.profiles.get(contactor.plc)
        if plc is not None and profile is not None:
            _check_coil(draft, path, contactor, profile, taken)
            _check_contacts(draft, path, contactor, plc, profile, taken)
            _check_heartbeat(draft, path, contactor, plc, profile)
        if plc is not None:
            _check_times(draft, path, contactor, plc)
    _check_feeds(draft)


def _check_coil(
    draft: Draft, path: Path, contactor: ContactorTable, profile: Profile, taken: dict[tuple[str, str], str]
) -> None:
    coils = [coil.name for coil in profile.coils]
    coil, at = contactor.close.coil, (*path, "close", "coil")
    if coil not in coils:
        some = f"its coils are {', '.join(coils[:16])}" if coils else "name a PLC whose profile has coils"
        draft.reader.fault(at, f'no such coil in profile "{profile.name}"', nearest(coil, coils, some))
    elif (other := taken.setdefault((contactor.plc, f"coil {coil}"), contactor.id)) != contactor.id:
        draft.reader.fault(at, f'contactor "{other}" has this coil', "each contactor has its own: take one out")


def _check_contacts(
    draft: Draft,
    path: Path,
    contactor: ContactorTable,
    plc: PlcTable,
    profile: Profile,
    taken: dict[tuple[str, str], str],
) -> None:
    fast = _bits(plc, profile)
    places: list[tuple[Path, str | None]] = [
        ((*path, "feedback", "closed"), contactor.feedback.closed),
        ((*path, "feedback", "open"), contactor.feedback.open),
    ]
    for place, name in places:
        if name in fast and taken.setdefault((plc.id, f"bit {name}"), str(place)) != str(place):
            wrong = "another contact has this bit"
            draft.reader.fault(place, wrong, "each contact has its own: compare them with the wiring plan")
    places += (((*path, "permit", at), name) for at, name in enumerate(contactor.permit))
    for place, name in places:
        if name is not None and name not in fast:
            known = ", ".join(list(fast)[:8]) or "none"
            mend = nearest(name, fast, f"add it to [plc.bits]; the bits are {known}")
            draft.reader.fault(place, f'PLC "{plc.id}" has no bit of this name', mend)
        elif name is not None and not fast[name]:
            wrong = "the profile polls this bit slowly"
            draft.reader.fault(place, wrong, 'write poll = "fast" in a profile of your own')


def _bits(plc: PlcTable, profile: Profile) -> dict[str, bool]:
    """Every bit by its name on this site, and whether it is polled fast; a name of no bit was told already."""
    known = {bit.name for bit in profile.bits}
    names = {name: bit for name, bit in plc.bits.items() if bit in known}
    return {bit.name: bit.fast for bit in wired(profile, names).bits} | dict.fromkeys(plc.bits.keys() - names, True)


def _check_heartbeat(draft: Draft, path: Path, contactor: ContactorTable, plc: PlcTable, profile: Profile) -> None:
    if plc.heartbeat_ms is not None or (profile.heartbeat is None and contactor.on_silence != "open"):
        return
    if profile.heartbeat is None:
        wrong = f'the profile of PLC "{plc.id}" has no heartbeat: it can\'t know that we are silent'
        draft.reader.fault((*path, "on_silence"), wrong, 'write "hold", or name a profile with [heartbeat]')
    else:
        wrong = f'PLC "{plc.id}" has no heartbeat_ms: it blocks closing after 10 s without a beat'
        draft.reader.fault((*path, "plc"), wrong, "add heartbeat_ms = 500 to its [[plc]]")


def _check_times(draft: Draft, path: Path, contactor: ContactorTable, plc: PlcTable) -> None:
    if plc.fast_ms > PLC_FAST_MS_MAX:
        wrong = f'PLC "{plc.id}" is polled every {plc.fast_ms} ms, and permits must be read within 500 ms'
        draft.reader.fault((*path, "plc"), wrong, f"write fast_ms = {PLC_FAST_MS_MAX} or less in its [[plc]]")
    link = next((link for _, link in draft.links if link.id == plc.link), None)
    if link is None or link.writes_apart:
        return
    for _, meter in draft.meters:
        if meter.link == link.id and meter.fast_ms < METER_FAST_MS_MIN:
            wrong = (
                f'its link "{link.id}" has one connection, and on it meter "{meter.id}", polled faster than '
                f"{METER_FAST_MS_MIN} ms"
            )
            draft.reader.fault((*path, "plc"), wrong, "put the meter on a link of its own, or poll it more slowly")


def _check_feeds(draft: Draft) -> None:
    """What is fed is there, and by one contactor."""
    fed: dict[tuple[str, str], str] = {}  # table and string ("" = all of it) -> contactor
    strings = {miners.id: {host.string for host in miners.hosts} for _, miners in draft.miners}
    for path, contactor in draft.contactors:
        feeds, at = contactor.feeds, (*path, "feeds")
        if (feeds.miners is None) == (feeds.gpus is None):
            wrong = "feeds nothing" if feeds.miners is None else "miners and GPUs at once"
            draft.reader.fault(at, wrong, 'write { miners = "ID" }, { miners = "ID", string = "…" } or { gpus = "ID" }')
            continue
        if feeds.gpus is not None and feeds.string is not None:
            draft.reader.fault((*at, "string"), "without effect: GPUs have none", "take it out")
        if feeds.miners in strings and feeds.string is not None and feeds.string not in strings[feeds.miners]:
            known = sorted(strings[feeds.miners] - {""})
            some = f"its strings are {', '.join(known[:8])}" if known else "its inventory has no string column"
            wrong = f'no miner of "{feeds.miners}" is on this string'
            draft.reader.fault((*at, "string"), wrong, nearest(feeds.string, known, some))
            continue
        table, string = feeds.miners or f"gpus {feeds.gpus}", feeds.string or ""
        others = [name for (known_table, known_string), name in fed.items() if known_table == table
                  and (not string or not known_string or string == known_string)]  # fmt: skip
        if others:
            draft.reader.fault(at, f'contactor "{others[0]}" feeds these, too', "each load has one contactor")
        fed.setdefault((table, string), contactor.id)
