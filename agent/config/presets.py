"""Presets: a grid programme's figures under one name, in agent/presets/*.toml; a site names one in one line.

    [[rule]]
    id = "ffr"
    preset = "nordic-ffr-a"
    circuit = "poi"
    shed_kw = 900

What a rule writes itself goes before the preset's, which says where each figure is from and how sure that is:

    primary      read in the primary document
    quoted       quoted from it by others, word for word
    secondary    told by others
    unverified   usual practice, not to be claimed
    ours         our own choice within the programme

A programme is only claimed where it can be kept: one whose rules ask for a relay is refused, and so is one whose time
the site cannot meet, worked out as `ballast check` shows it: the meter's refresh and poll, the verbs' way, and the
slowest of the loads that would go. Facts: reference grid-and-ai.md 1.1.
"""

import tomllib
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from agent.config.budget import Budget, budget
from agent.config.lines import Path as Place
from agent.config.loads import Miner, MinersTable
from agent.config.reading import Draft, Reader, nearest
from agent.config.rules import UnderFrequencyRule

FOLDER: Final = Path(__file__).parent.parent / "presets"
Sure = Literal["primary", "quoted", "secondary", "unverified", "ours"]


class Preset(Struct, frozen=True, forbid_unknown_fields=True):
    """One programme."""

    title: str
    source: str
    nominal_hz: float
    kind: str
    full_response_ms: int  # from the crossing until all of the watts are gone
    keys: dict[str, Any]  # of the rule
    sure: dict[str, Sure]  # figure -> how sure it is
    needs_relay: bool = False


def presets() -> dict[str, Preset]:
    """All of them, by name."""
    return {path.stem: _load(path) for path in sorted(FOLDER.glob("*.toml"))}


def _load(path: Path) -> Preset:
    return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Preset)


def with_preset(reader: Reader, path: Place, raw: dict[str, Any]) -> dict[str, Any]:
    """A rule as written, with what its preset says where it says nothing itself."""
    name = raw.get("preset")
    if not isinstance(name, str):
        return raw
    known = presets()
    if name not in known:
        reader.fault((*path, "preset"), "no such preset", nearest(name, known, f"the presets are {', '.join(known)}"))
        return {key: value for key, value in raw.items() if key != "preset"}
    preset = known[name]
    if raw.get("kind", preset.kind) != preset.kind:
        reader.fault((*path, "kind"), f'the preset is of kind "{preset.kind}"', "take kind out: the preset says it")
    return {"kind": preset.kind, **preset.keys, **raw}


def check_presets(draft: Draft) -> None:
    """Programmes that this site may not claim."""
    known = presets()
    for path, rule in draft.rules:
        if isinstance(rule, UnderFrequencyRule) and rule.preset in known:
            _check(draft, path, rule, known[rule.preset])


def _check(draft: Draft, path: Place, rule: UnderFrequencyRule, preset: Preset) -> None:
    fault, place = draft.reader.fault, (*path, "preset")
    if draft.site is not None and draft.site.nominal_hz != preset.nominal_hz:
        wrong = f"a programme of {preset.nominal_hz:g} Hz grids"
        fault(place, wrong, f"this site's nominal_hz is {draft.site.nominal_hz:g}: name another, or none")
    elif preset.needs_relay:
        wrong = "by its rules an under-frequency relay sheds, not a controller"
        fault(place, wrong, "wire the relay, and name no preset: this rule may stand beside it, and claims nothing")
    elif (spent := _budget(draft, rule)) is not None and spent.total > preset.full_response_ms:
        parts = f"refresh {spent.refresh:g}, poll {spent.poll:g}, confirm {spent.confirm:g}, send {spent.send:g}"
        wrong = (
            f"it takes up to {spent.total:g} ms here ({parts}, load {spent.load:g}), and has {preset.full_response_ms}"
        )
        mend = 'put its loads behind contactors with use = "first", or take a faster meter; or name no preset'
        fault(place, wrong, mend)


def _budget(draft: Draft, rule: UnderFrequencyRule) -> Budget | None:
    """The longest until the watts are gone; None where the site is not known well enough to say."""
    rows = {row.id: row for _, row in draft.circuits}
    name: str | None = rule.circuit
    while name in rows and rows[name].meter is None:
        name = rows[name].parent
    meter = next((meter for _, meter in draft.meters if name in rows and meter.id == rows[name].meter), None)
    if meter is None:
        return None
    beneath = _beneath(draft, rule.circuit)
    switched = {
        (contactor.feeds.miners, contactor.feeds.string): contactor.feedback.within_ms
        for _, contactor in draft.contactors
        if contactor.use == "first"
    }
    hosts = sorted(
        (
            (miners.value_usd_per_mwh, -host.rated_w, host.rated_w - miners.sleep_w, _reach_ms(miners, host, switched))
            for _, miners in draft.miners
            if miners.circuit in beneath
            for host in miners.hosts
        ),
        key=lambda row: row[:2],
    )
    wanted_w, reach_ms, loads = 1000 * (rule.shed_kw or 0.0), 0, 0
    for _, _, worth_w, ms in hosts:
        if rule.shed_kw is not None and wanted_w <= 0:
            break
        wanted_w -= worth_w
        reach_ms, loads = max(reach_ms, ms), loads + 1
    confirm_ms = float(meter.refresh_ms * (rule.confirm_refreshes - 1))
    return budget(float(meter.refresh_ms), float(meter.fast_ms), confirm_ms, loads, float(reach_ms))


def _reach_ms(miners: MinersTable, host: Miner, switched: dict[tuple[str | None, str | None], int]) -> int:
    """How long one miner takes at the longest, from its verb or from its contactor's coil."""
    for place in ((miners.id, host.string), (miners.id, None)):
        if place in switched:
            return switched[place]
    return miners.dialect(acts=True).steps[0].reach_ms


def _beneath(draft: Draft, circuit: str) -> set[str]:
    found, before = {circuit}, set[str]()
    while found != before:
        before = set(found)
        found |= {row.id for _, row in draft.circuits if row.parent in found}
    return found
