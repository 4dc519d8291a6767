"""Links and meters: endpoints, units, backups, profiles, and what a circuit or rule needs its meter to measure."""

from typing import Final
from urllib.parse import urlsplit

import msgspec

from agent.config.checks import meter_above
from agent.config.devices import LinkTable, MeterTable
from agent.config.lines import Path
from agent.config.reading import Draft, Reader
from agent.config.rules import UnderFrequencyRule
from drivers.profile import Profile, ProfileErrors, load_profile, packaged_profiles

# Polled at a third of its refresh an edge is found within a third of it. Below 20 ms the link is only kept busy.
FAST_SHARE: Final = 3
FAST_MS_MIN: Final = 20
FAST_MS_MAX: Final = 500

# With a contactor on the same link a write would wait behind the polls of a meter that is read faster than this.
CONTACTOR_FAST_MS_MIN: Final = 100

_VOLTAGES: Final = ("voltage_l1_v", "voltage_l2_v", "voltage_l3_v")
_VOLTAGES_MIN: Final = 2  # a frequency counts only with two phases alive


def check_meters(draft: Draft) -> None:
    """Every check of links and meters; fills in what profiles say."""
    _check_links(draft)
    _check_units(draft)
    _check_backups(draft)
    _check_contactors(draft.reader)
    profiles = _load_profiles(draft)
    _check_points(draft, profiles)


def _check_links(draft: Draft) -> None:
    reader = draft.reader
    seen: dict[tuple[str, int], str] = {}
    for path, link in draft.links:
        wrong = _url_fault(link)
        if wrong:
            reader.fault((*path, "url"), wrong, 'write "tcp://ADDRESS:PORT", such as "tcp://10.20.0.10:502"')
            continue
        other = seen.setdefault((link.host, link.port), link.id)
        if other != link.id:
            mend = "one link for each endpoint: put its meters on the other one"
            reader.fault((*path, "url"), f'the same endpoint as link "{other}"', mend)


def _url_fault(link: LinkTable) -> str | None:
    try:
        parts = urlsplit(link.url)
        port = parts.port
    except ValueError as error:
        return f"not a URL: {str(error)[:80]}"
    if parts.scheme != "tcp":
        return "not a tcp:// URL"
    if not parts.hostname or any(character.isspace() for character in link.url):
        return "no address in it"
    if port == 0:
        return "port 0"
    if parts.path or parts.query or parts.fragment or parts.username is not None:
        return "more than an address and a port in it"
    return None


def _check_units(draft: Draft) -> None:
    seen: dict[tuple[str, int], str] = {}
    for path, meter in draft.meters:
        other = seen.setdefault((meter.link, meter.unit_id), meter.id)
        if other != meter.id:
            wrong = f'the same unit on the same link as meter "{other}"'
            draft.reader.fault((*path, "unit_id"), wrong, "give each device its own unit_id, or take one out")
        if meter.slow_ms < meter.fast_ms:
            wrong = f"faster than fast_ms ({meter.fast_ms})"
            draft.reader.fault((*path, "slow_ms"), wrong, "write fast_ms or more")


def _check_backups(draft: Draft) -> None:
    backups = {meter.id: meter.backup for _, meter in draft.meters}
    for path, meter in draft.meters:
        if meter.backup == meter.id:
            draft.reader.fault((*path, "backup"), "its own backup", "name another meter, or take it out")
        elif meter.backup is not None and backups.get(meter.backup) is not None:
            wrong = f'meter "{meter.backup}" has a backup itself'
            draft.reader.fault((*path, "backup"), wrong, "a backup stands alone: take that one's out")


def _check_contactors(reader: Reader) -> None:
    """A contactor's write must not wait behind a fast meter's polls. Contactors themselves are not yet supported."""
    plcs = {raw.get("id"): raw.get("link") for _, raw in _rows(reader, "plc") if isinstance(raw.get("id"), str)}
    fast: dict[str, object] = {}
    for _, raw in _rows(reader, "meter"):
        on, fast_ms = raw.get("link"), raw.get("fast_ms")
        if isinstance(on, str) and isinstance(fast_ms, int) and fast_ms < CONTACTOR_FAST_MS_MIN:
            fast[on] = raw.get("id")
    for path, raw in _rows(reader, "contactor"):
        plc = raw.get("plc")
        link = plcs.get(plc) if isinstance(plc, str) else None
        if isinstance(link, str) and link in fast:
            wrong = f'its link "{link}" has meter "{fast[link]}", polled faster than {CONTACTOR_FAST_MS_MIN} ms'
            reader.fault((*path, "plc"), wrong, "put the meter on a link of its own, or poll it more slowly")


def _rows(reader: Reader, name: str) -> list[tuple[Path, dict[str, object]]]:
    raw = reader.raw.get(name)
    rows = raw if isinstance(raw, list) else []
    return [((name, at), item) for at, item in enumerate(rows) if isinstance(item, dict)]


def _load_profiles(draft: Draft) -> dict[str, Profile]:
    """Meter -> profile; refresh_ms and fast_ms are taken from it where site.toml leaves them out."""
    reader = draft.reader
    profiles: dict[str, Profile] = {}
    for at, (path, meter) in enumerate(draft.meters):
        name = meter.profile
        if name not in packaged_profiles() and ("/" in name or name.endswith(".toml")):
            name = str(draft.folder / name)
        try:
            profile = load_profile(name)
        except ProfileErrors as errors:
            for fault in errors.faults:
                place = fault.file if fault.line is None else f"{fault.file}:{fault.line}"
                wrong = f"{place} {fault.where}: {fault.wrong}"
                reader.fault((*path, "profile"), wrong, fault.mend)
            continue
        profiles[meter.id] = profile
        draft.meters[at] = path, _timed(msgspec.structs.replace(meter, profile=name), profile, _written(reader, path))
    return profiles


def _written(reader: Reader, path: Path) -> frozenset[str]:
    return frozenset(reader.raw["meter"][path[1]])


def _timed(meter: MeterTable, profile: Profile, written: frozenset[str]) -> MeterTable:
    refresh_ms = meter.refresh_ms
    if "refresh_ms" not in written and profile.refresh_ms is not None:
        refresh_ms = round(profile.refresh_ms)
    fast_ms = meter.fast_ms
    if "fast_ms" not in written:
        fast_ms = min(max(refresh_ms // FAST_SHARE, FAST_MS_MIN), FAST_MS_MAX, meter.slow_ms)
    return msgspec.structs.replace(meter, refresh_ms=refresh_ms, fast_ms=fast_ms)


def _check_points(draft: Draft, profiles: dict[str, Profile]) -> None:
    """A circuit's meter measures power; one that drives a frequency rule, frequency and two voltages."""
    points = {meter: {point.name for point in profile.points} for meter, profile in profiles.items()}
    for path, circuit in draft.circuits:
        if circuit.meter in points and "power_w" not in points[circuit.meter]:
            wrong = "its profile has no power_w"
            draft.reader.fault((*path, "meter"), wrong, "name a meter that measures the circuit's power")
    for path, rule in draft.rules:
        meter = meter_above(rule.circuit, draft) if isinstance(rule, UnderFrequencyRule) else None
        if meter is None or meter not in points:
            continue
        if "frequency_hz" not in points[meter] or sum(name in points[meter] for name in _VOLTAGES) < _VOLTAGES_MIN:
            wrong = f'meter "{meter}" gives no frequency with two phase voltages'
            draft.reader.fault((*path, "circuit"), wrong, "name a circuit whose meter does")
