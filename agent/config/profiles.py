"""The profiles that meters and PLCs name: read once, with what they say filled in where site.toml leaves it out."""

from contextlib import suppress
from typing import Final

import msgspec

from agent.config.devices import MeterTable
from agent.config.lines import Path
from agent.config.reading import Draft
from drivers.profile import Profile, ProfileErrors, load_profile, packaged_profiles

# Polled at a third of its refresh an edge is found within a third of it. Below 20 ms the link is only kept busy.
FAST_SHARE: Final = 3
FAST_MS_MIN: Final = 20
FAST_MS_MAX: Final = 500


def load_profiles(draft: Draft) -> None:
    """Fills draft.profiles, device -> profile, and makes every profile's path absolute; notes what is wrong."""
    for at, (path, meter) in enumerate(draft.meters):
        name = _place(draft, meter.profile)
        profile = _load(draft, path, name)
        if profile is not None:
            draft.profiles[meter.id] = profile
            draft.meters[at] = path, _timed(draft, path, msgspec.structs.replace(meter, profile=name), profile)
    for at, (path, plc) in enumerate(draft.plcs):
        name = _place(draft, plc.profile)
        profile = _load(draft, path, name)
        if profile is not None:
            draft.profiles[plc.id] = profile
            draft.plcs[at] = path, msgspec.structs.replace(plc, profile=name)


def _place(draft: Draft, name: str) -> str:
    """A packaged profile's name as it is; a file's path from site.toml's folder, and its text noted."""
    if name in packaged_profiles() or not ("/" in name or name.endswith(".toml")):
        return name
    path = draft.folder / name
    with suppress(OSError, UnicodeDecodeError):  # told, with its mend, when it is loaded
        draft.named[name] = path.read_text(encoding="utf-8")
    return str(path)


def _load(draft: Draft, path: Path, name: str) -> Profile | None:
    try:
        return load_profile(name)
    except ProfileErrors as errors:
        for fault in errors.faults:
            place = fault.file if fault.line is None else f"{fault.file}:{fault.line}"
            draft.reader.fault((*path, "profile"), f"{place} {fault.where}: {fault.wrong}", fault.mend)
        return None


def _timed(draft: Draft, path: Path, meter: MeterTable, profile: Profile) -> MeterTable:
    written = draft.reader.raw["meter"][path[1]]
    refresh_ms = meter.refresh_ms
    if "refresh_ms" not in written and profile.refresh_ms is not None:
        refresh_ms = round(profile.refresh_ms)
    fast_ms = meter.fast_ms
    if "fast_ms" not in written:
        fast_ms = min(max(refresh_ms // FAST_SHARE, FAST_MS_MIN), FAST_MS_MAX, meter.slow_ms)
    return msgspec.structs.replace(meter, refresh_ms=refresh_ms, fast_ms=fast_ms)
