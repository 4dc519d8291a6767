"""What the running agent sees and does: each circuit's mode, bounds and why; what is shed; what comes next and when;
what people on site hold; what is latched; devices with the age of what they last said; the broker; what waits for it.

Asks the agent's Unix socket: the one given with --socket, else the one in the state_dir of the site.toml given with
--site, else /var/lib/ballast/ballast.sock or /run/ballast/ballast.sock.
"""

import argparse
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from agent.cli import EXIT_CONFIG, EXIT_FAILED, EXIT_OK
from agent.cli.asking import NoAgent, add_socket_arguments, ask_status, paths_of
from agent.cli.printing import kw, print_json, print_table, printable, seconds
from agent.config import ConfigErrors

_DEVICES_SHOWN_MAX: Final = 40
_RUNGS_SHOWN_MAX: Final = 20
_WALL_MS_MAX: Final = 253_402_300_800_000  # the year 10000

Row = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `ballast status` takes."""
    add_socket_arguments(parser)
    parser.add_argument("--json", action="store_true", help="as the agent tells it")
    parser.add_argument("--all", action="store_true", help="every device and every step of the ladder")


def main(arguments: argparse.Namespace) -> int:
    """Asks and prints; 1 when no agent answers."""
    try:
        status = ask_status(paths_of(arguments))
    except ConfigErrors as errors:
        print(errors, file=sys.stderr)
        return EXIT_CONFIG
    except NoAgent as error:
        print(f"ballast status: {error}", file=sys.stderr)
        return EXIT_FAILED
    if arguments.json:
        print_json(status)
    else:
        print_status(status, whole=arguments.all)
    return EXIT_OK


def print_ladder(status: Row, *, whole: bool = True) -> None:
    """The ladder as the agent would cut it now."""
    rungs = _rows(status, "ladder")
    shown = rungs if whole else rungs[:_RUNGS_SHOWN_MAX]
    print_table(
        "Ladder, next to be shed first (kW now)" + _rest(len(rungs), len(shown)),
        ("load", "step", "gives up", "cumulative"),
        [(_text(row, "load"), _text(row, "step"), kw(row.get("watts")), kw(row.get("cumulative_w"))) for row in shown],
        right=("gives up", "cumulative"),
    )


def print_status(status: Row, *, whole: bool = False) -> None:
    """The status for a person; a member that is missing shows as ?."""
    print("\n".join(map(printable, _heading(status))) + "\n")
    print_table(
        "Circuits (kW)",
        ("circuit", "mode", "net", "from", "to", "why", "next"),
        [_circuit_cells(row) for row in _rows(status, "circuits")],
        right=("net", "from", "to"),
    )
    events = _rows(status, "events")
    if events:
        print_table(
            "Shed now (kW)",
            ("event", "circuit", "rule", "class", "stage", "shed", "loads"),
            [_event_cells(row) for row in events],
            right=("shed", "loads"),
        )
    else:
        print("Nothing is shed.\n")
    held = _rows(status, "tags")
    if held:
        print_table(
            "Held by people on site",
            ("target", "kind", "by", "why", "since"),
            [_held_cells(row) for row in held],
        )
    print_ladder(status, whole=whole)
    # The silent ones first: with a thousand miners those are what one looks for.
    devices = sorted(_rows(status, "devices"), key=lambda row: -_age(row))
    shown = devices if whole else devices[:_DEVICES_SHOWN_MAX]
    print_table(
        "Devices, the longest silent first" + _rest(len(devices), len(shown)),
        ("device", "kind", "state", "heard", "detail"),
        [_device_cells(row) for row in shown],
        right=("heard",),
    )


def _heading(status: Row) -> Iterator[str]:
    control = _text(status, "control")
    if status.get("uncommissioned"):
        control += ", UNCOMMISSIONED"
    yield f"{_text(status, 'site')}, agent {_text(status, 'agent')}: {control}, up {_time(status.get('up_ms'))}"
    broker = status.get("broker")
    if isinstance(broker, dict):
        detail = f" ({broker['detail']})" if broker.get("detail") else ""
        since = f" for {_time(broker['since_ms'])}" if "since_ms" in broker else ""
        yield f"broker: {_text(broker, 'state')}{since}{detail}"
    buffer = status.get("buffer")
    if isinstance(buffer, dict):
        waiting = f"{buffer.get('records', '?')} records, {_mib(buffer.get('bytes'))}"
        waiting += f" in memory, {_mib(buffer.get('disk_bytes'))} on disk"
        yield f"waiting for it: {waiting}; lost so far: {buffer.get('lost', '?')}"
    late = status.get("loop_late_ms")
    if isinstance(late, int | float):
        yield f"control loop late: {late:.1f} ms"
    if status.get("journal") not in (None, "ok"):
        yield f"JOURNAL {status['journal']}: what is decided now may be forgotten in a crash; look at the disk"
    latched = status.get("latched")
    for node, why in latched.items() if isinstance(latched, dict) else ():
        name = str(node).removeprefix("tank:")
        yield f"LATCHED {name}: {why}; `ballast ack {name}` when it is mended"
    for link in _rows(status, "links"):
        if link.get("state") != "up":
            where = f"{_text(link, 'id')} ({_text(link, 'address')})"
            yield f"link {where} {_text(link, 'state')}: {link.get('detail') or ''}"
    faults = status.get("faults")
    for fault in faults if isinstance(faults, list) else ():
        yield f"fault: {fault}"
    for row in _rows(status, "response"):
        yield f"rule {_text(row, 'rule')} {_response(row)}"


def _response(row: Row) -> str:
    if row.get("available") is False:
        return f"is not available: {row.get('why') or '?'}"
    if row.get("acts") is False:
        return "is available, and only observed"
    return f"could give {_kw(row.get('kw'))} kW within {_time(row.get('ms'))}"


def _circuit_cells(row: Row) -> tuple[str, ...]:
    flags = row.get("flags")
    mode = (
        " ".join([_text(row, "mode"), *(str(flag) for flag in flags)])
        if isinstance(flags, list)
        else _text(row, "mode")
    )
    net = _kw(row.get("net_kw"))
    if row.get("quality") not in (None, "good"):
        net += f" {row['quality']}"
    comes = str(row.get("next") or "")
    if comes and isinstance(row.get("next_in_s"), int | float):
        comes += f" in {_time(1000 * row['next_in_s'])}"
    return (
        _text(row, "id"),
        mode,
        net,
        _kw(row.get("lo_kw"), "-"),
        _kw(row.get("hi_kw"), "-"),
        str(row.get("why") or ""),
        comes,
    )


def _event_cells(row: Row) -> tuple[str, ...]:
    loads = row.get("loads")
    count = str(len(loads)) if isinstance(loads, list) else str(loads if loads is not None else "?")
    names = ("ev", "circuit", "rule", "class")
    stage = "returning" if row.get("returning") else "holding"
    if row.get("observed_only"):
        stage += ", observed only"
    return (*(_text(row, name) for name in names), stage, _kw(row.get("shed_kw")), count)


def _held_cells(row: Row) -> tuple[str, ...]:
    kind = "LOCAL" if row.get("kind") == "local" else _text(row, "kind")
    at_ms = row.get("at_ms")
    since = ""
    if isinstance(at_ms, int | float) and 0 <= at_ms < _WALL_MS_MAX:
        since = datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    return _text(row, "target"), kind, _text(row, "by"), _text(row, "why"), since


def _device_cells(row: Row) -> tuple[str, ...]:
    heard = _time(row.get("age_ms"), "never") + (" ago" if isinstance(row.get("age_ms"), int | float) else "")
    return _text(row, "id"), _text(row, "kind"), _text(row, "state"), heard, str(row.get("detail") or "")


def _age(row: Row) -> float:
    age_ms = row.get("age_ms")
    return float(age_ms) if isinstance(age_ms, int | float) else float("inf")


def _rows(status: Row, name: str) -> list[Row]:
    rows = status.get(name)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    return "?" if value is None else str(value)


def _kw(value: object, unknown: str = "?") -> str:
    return f"{value:,.1f}" if isinstance(value, int | float) else unknown


def _time(ms: object, unknown: str = "?") -> str:
    return seconds(ms) if isinstance(ms, int | float) else unknown


def _mib(count: object) -> str:
    return f"{count / (1 << 20):.1f} MiB" if isinstance(count, int | float) else "?"


def _rest(there: int, shown: int) -> str:
    return f"; {there - shown} more with --all" if there > shown else ""
