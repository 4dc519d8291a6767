"""PLCs: the site's names for their bits, and the heartbeat.

A bit that site.toml names is known by that name everywhere, one that it leaves alone by the profile's (wired).
"""

from agent.config.devices import PlcTable
from agent.config.lines import Path
from agent.config.reading import Draft, nearest
from agent.config.rules import DemandWindowRule, UnderFrequencyRule
from drivers.points import POINTS
from drivers.profile import Profile, wired


def check_plcs(draft: Draft) -> None:
    """Every check of PLCs by themselves."""
    for path, plc in draft.plcs:
        profile = draft.profiles.get(plc.id)
        if profile is None:
            continue
        _check_bits(draft, (*path, "bits"), plc, profile)
        if plc.heartbeat_ms is not None and profile.heartbeat is None:
            mend = "take it out, or name a profile with [heartbeat]"
            draft.reader.fault((*path, "heartbeat_ms"), "its profile has no heartbeat", mend)


def check_contacts(draft: Draft) -> None:
    """Bits that mean something to the whole site: whether it is an island, when the utility's window begins."""
    fault = draft.reader.fault
    islanded_when = draft.site.islanded_when if draft.site is not None else None
    if islanded_when is not None:
        _check_contact(draft, ("site", "islanded_when"), islanded_when)
    outage_when = draft.enter_service.outage_when if draft.enter_service is not None else None
    if outage_when is not None:
        _check_contact(draft, ("enter_service", "outage_when"), outage_when)
    for path, rule in draft.rules:
        if isinstance(rule, UnderFrequencyRule) and rule.when == "island" and not islanded_when and draft.site:
            fault((*path, "when"), "without [site] islanded_when this is never so", "add that, or write any")
        if isinstance(rule, DemandWindowRule) and rule.interval == "pulse" and rule.pulse is not None:
            _check_contact(draft, (*path, "pulse"), rule.pulse)


def _check_contact(draft: Draft, at: Path, written: str) -> None:
    name, _, bit = written.partition(".")
    plc = next((plc for _, plc in draft.plcs if plc.id == name), None)
    if name not in draft.reader.ids("plc"):
        mend = nearest(name, draft.reader.ids("plc"), "add it, with a bit that says so")
        draft.reader.fault(at, f'there is no [[plc]] "{name}"', mend)
    elif plc is not None and plc.id in draft.profiles:
        names = {one.name for one in wired(draft.profiles[plc.id], plc.bits).bits}
        if bit not in names:
            draft.reader.fault(at, f'PLC "{name}" has no bit "{bit}"', nearest(bit, names, "add it to its [plc.bits]"))


def _check_bits(draft: Draft, path: Path, plc: PlcTable, profile: Profile) -> None:
    known = [bit.name for bit in profile.bits]
    first: dict[str, str] = {}
    for name, bit in plc.bits.items():
        if bit not in known:
            some = f"its bits are {', '.join(known[:8])}" if known else "its profile has no bits: take it out"
            draft.reader.fault((*path, name), f'no such bit in profile "{profile.name}"', nearest(bit, known, some))
        elif first.setdefault(bit, name) != name:
            wrong = f'the same bit as "{first[bit]}"'
            draft.reader.fault((*path, name), wrong, "one name for each bit: take one out")
        if name in POINTS:
            draft.reader.fault((*path, name), "the name of a quantity", "give it another name")
        elif name in known and name != bit:
            draft.reader.fault((*path, name), "the profile's own name of another bit", "give it another name")
