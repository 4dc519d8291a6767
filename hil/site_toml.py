"""The site.toml of the agent under test, made from a rig and from what a scenario says of its site.

A scenario speaks in site.toml's own tables: what it names is laid over what the rig gives, tables with an id over the
one of that id, anything else beside it. Miners go into an inventory, so that strings and tanks can be told.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from hil.rig_file import NOMINAL_HZ, MinersDevice, RigFile, SwitchgearDevice, Table, TankDevice

SITE, AGENT, ROOT = "rig", "ctl-1", "ballast"
INVENTORY = "miners-{}.csv"
_PSEUDO_TERMINAL = "rtu://{}?baudrate=19200&parity=N&stopbits=1"  # which has no parity


class Places(Struct, frozen=True):
    """Where everything is for the agent."""

    folder: Path
    state: Path
    modbus: dict[str, str]  # meter or PLC -> "host:port", a stand-in's serial line, or a URL as site.toml has it
    miners: dict[str, tuple[str, ...]]  # group -> addresses
    gpud: str = ""
    broker_port: int | None = None


def site_tables(rig: RigFile, places: Places, changes: Table) -> Table:
    """All tables of the file."""
    links: dict[str, str] = {}
    plcs: list[TankDevice | SwitchgearDevice] = [*rig.tank, *rig.switchgear]
    tables: Table = {
        "site": {
            "id": SITE,
            "agent": AGENT,
            "control": "act",
            "nominal_hz": rig.grid.get("nominal_hz", NOMINAL_HZ),
            "state_dir": str(places.state),
        },
        "circuit": [rig.circuit | {"meter": rig.meter[0].id}],
        "meter": [_on_link(one.id, one.unit_id, one.site, places, links) for one in rig.meter],
        "plc": [_on_link(one.id, one.unit_id, one.site, places, links) for one in plcs],
        "miners": [_miners(group, rig) for group in rig.miners],
        "contactor": [
            {"id": one.id, "plc": one.switchgear, "feeds": {"miners": one.miners, "string": one.part}} | one.site
            for one in rig.contactor
        ],
        "gpus": [
            {"id": one.id, "circuit": rig.circuit["id"], "at": one.at or places.gpud}
            | ({"cooling": one.tank} if one.tank in _ids(rig.tank) else {})
            | one.site
            for one in rig.gpus
        ],
        "telemetry": {"interval_ms": 500},
        "keys": {"agent": str(places.folder / "agent.pem"), "keyring": str(places.folder / "keyring.json")},
    }
    tables["link"] = [{"id": name, "url": url} for url, name in links.items()]
    if places.broker_port is not None:
        tables["mqtt"] = {"url": f"mqtt://127.0.0.1:{places.broker_port}", "root": ROOT}
    whole: Table = laid_over({key: value for key, value in tables.items() if value}, changes)
    return whole


def write_site(rig: RigFile, places: Places, changes: Table) -> Path:
    """Writes site.toml and the inventories beside it."""
    for group in rig.miners:
        file = places.folder / INVENTORY.format(group.id)
        file.write_text(_inventory(group, places.miners[group.id], _ids(rig.tank)), encoding="utf-8")
    site = places.folder / "site.toml"
    site.write_text(to_toml(site_tables(rig, places, changes)), encoding="utf-8")
    return site


def laid_over(below: Any, above: Any) -> Any:
    """`above` where both say something; tables and lists of tables with ids are gone into."""
    if isinstance(below, Mapping) and isinstance(above, Mapping):
        both = {key: laid_over(below[key], above[key]) for key in below.keys() & above.keys()}
        return {**below, **above, **both}
    if _is_tables(below) and _is_tables(above):
        named = {table.get("id"): table for table in above}
        rest = [table for table in above if table.get("id") not in {one.get("id") for one in below}]
        return [laid_over(table, named.get(table.get("id"), {})) for table in below] + rest
    return above


def to_toml(tables: Mapping[str, Any]) -> str:
    """TOML of tables and lists of tables, whatever is below them inline."""
    lines: list[str] = []
    for name, value in tables.items():
        for table in value if isinstance(value, Sequence) else [value]:
            lines.append(f"[[{name}]]" if isinstance(value, Sequence) else f"[{name}]")
            lines += [f"{key} = {_value(below)}" for key, below in table.items()]
            lines.append("")
    return "\n".join(lines)


def _on_link(name: str, unit_id: int, site: Table, places: Places, links: dict[str, str]) -> Table:
    at = places.modbus[name]
    url = at if "://" in at else _PSEUDO_TERMINAL.format(at) if at.startswith("/") else f"tcp://{at}"
    return {"id": name, "link": links.setdefault(url, f"{name}-net"), "unit_id": unit_id} | site


def _miners(group: MinersDevice, rig: RigFile) -> Table:
    return {"id": group.id, "circuit": rig.circuit["id"], "inventory": INVENTORY.format(group.id)} | group.site


def _inventory(group: MinersDevice, addresses: Sequence[str], tanks: Sequence[str]) -> str:
    lines = ["address,string,tank"]
    waiting = iter(addresses)
    for part in group.parts:
        tank = part.tank if part.tank in tanks else ""
        lines += [f"{next(waiting)},{part.name},{tank}" for _ in range(part.count)]
    return "\n".join(lines) + "\n"


def _ids(devices: Sequence[Any]) -> list[str]:
    return [device.id for device in devices]


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, Mapping) for one in value)


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_value(below)}" for key, below in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value)  # numbers and basic strings are written alike in both
