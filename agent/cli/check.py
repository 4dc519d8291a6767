"""Explains a site.toml: its circuits and limits, the ladder, what each rule would do and how soon, and what to know.
A file with faults is answered with all of them, each with its line and its mend, and exit code 78.

--live asks the running agent for its own ladder, from the watts that its loads draw now.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_address

from agent.cli import EXIT_CONFIG, EXIT_FAILED, EXIT_OK
from agent.cli.asking import NoAgent, ask_status, socket_paths
from agent.cli.forecast import CircuitRow, Forecast, RuleRow, Rung, forecast
from agent.cli.miners import logs_on_to_read
from agent.cli.print_equipment import print_equipment
from agent.cli.printing import kw, print_json, print_table, seconds
from agent.cli.status import print_ladder
from agent.cli.warnings import warnings_of
from agent.config import ConfigErrors, SiteFile, load
from agent.config.budget import Budget


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `ballast check` takes."""
    parser.add_argument("file", metavar="SITE.TOML")
    parser.add_argument("--json", action="store_true", help="the same as JSON, with every load by itself")
    parser.add_argument("--live", action="store_true", help="the ladder of the running agent, at present watts")


def main(arguments: argparse.Namespace) -> int:
    """Checks one file; 78 when it has faults."""
    try:
        file = load(arguments.file)
    except ConfigErrors as errors:
        _print_faults(arguments.file, errors, as_json=arguments.json)
        return EXIT_CONFIG
    would = forecast(file)
    warnings = tuple(warnings_of(file, would))
    live: dict[str, object] | None = None
    if arguments.live:
        try:
            live = ask_status(socket_paths(file.site.state_dir))
        except NoAgent as error:
            print(f"ballast check --live: {error}", file=sys.stderr)
            return EXIT_FAILED
    if arguments.json:
        members = {"file": arguments.file, "ok": True, "forecast": would, "warnings": warnings}
        print_json(members if live is None else {**members, "live": live})
    else:
        _print(file, would, warnings, live)
    return EXIT_OK


def _print_faults(file: str, errors: ConfigErrors, *, as_json: bool) -> None:
    if as_json:
        print_json({"file": file, "ok": False, "faults": errors.faults})
        return
    for fault in errors.faults:
        print(fault)
    count = len(errors.faults)
    print(f"{count} fault{'s' if count > 1 else ''}; nothing was started or changed.", file=sys.stderr)


def _print(file: SiteFile, would: Forecast, warnings: Iterable[str], live: dict[str, object] | None) -> None:
    print(f"{would.site}, agent {would.agent}: control = {would.control}, {file.site.nominal_hz:g} Hz\n")
    print_table(
        "Circuits (kW; least: unmetered and everything asleep; full: everything at rated watts)",
        ("circuit", "meter", "loads", "least", "full", "limit", "fallback"),
        [_circuit_cells(row) for row in would.circuits],
        right=("loads", "least", "full", "limit", "fallback"),
    )
    if live is None:
        print_table(
            "Ladder, cheapest watts first (kW at rated watts)",
            ("shed", "loads", "circuit", "each", "together", "cumulative"),
            list(_ladder_cells(would.ladder)),
            right=("loads", "each", "together", "cumulative"),
        )
    else:
        print_ladder(live)
    print_table(
        "Rules, with everything running (kW)",
        ("rule", "kind", "circuit", "control", "sheds when", "wants", "sheds", "loads"),
        [_rule_cells(row) for row in would.rules],
        right=("wants", "sheds", "loads"),
    )
    print_table(
        "Time until the watts are gone, at most",
        ("rule", "refresh", "poll", "confirm", "send", "load", "together"),
        [
            *(_budget_cells(row.id, row.budget_ms) for row in would.rules),
            *(_budget_cells(tank.rule, tank.budget_ms) for tank in would.tanks),
        ],
        right=("refresh", "poll", "confirm", "send", "load", "together"),
    )
    print_equipment(would)
    _print_writes(file)
    print("To know")
    for warning in warnings:
        print(f"  - {warning}")


def _circuit_cells(row: CircuitRow) -> tuple[str, ...]:
    fallback = "" if row.fallback_kw is None else f"{row.fallback_kw:,.1f}"
    return (
        "  " * row.depth + row.id,
        row.meter or "",
        str(row.loads),
        f"{row.floor_kw:,.1f}",
        f"{row.rated_kw:,.1f}",
        f"{row.limit_kw:,.1f}",
        fallback,
    )


def _ladder_cells(rungs: tuple[Rung, ...]) -> Iterator[tuple[str, ...]]:
    """One line for each run of equal loads of one table."""
    start = 0
    for end in range(1, len(rungs) + 1):
        first, last = rungs[start], rungs[end - 1]
        if end < len(rungs) and (rungs[end].group, rungs[end].worth_w) == (first.group, first.worth_w):
            continue
        count = end - start
        name = _span([rung.load for rung in rungs[start:end]])
        together_w = sum(rung.worth_w for rung in rungs[start:end])
        yield name, str(count), first.circuit, kw(first.worth_w), kw(together_w), kw(last.cumulative_w)
        start = end


def _span(loads: Sequence[str]) -> str:
    """The lowest and the highest address of one table's loads; they need not be all that lie between."""
    table, _, _ = loads[0].partition("/")
    addresses = sorted(ip_address(load.removeprefix(f"{table}/")).packed for load in loads)
    ends = [str(ip_address(address)) for address in (addresses[0], addresses[-1])]
    return f"{table}/{ends[0]}" if len(loads) == 1 else f"{table}/{ends[0]} … {ends[1]}"


def _rule_cells(row: RuleRow) -> tuple[str, ...]:
    control = "act" if row.acts else "observe"
    return (
        row.id,
        row.kind,
        row.circuit or "every",
        control,
        row.when,
        f"{row.wanted_kw:,.1f}",
        f"{row.shed_kw:,.1f}",
        str(row.loads),
    )


def _budget_cells(name: str, budget: Budget) -> tuple[str, ...]:
    parts = (budget.refresh, budget.poll, budget.confirm, budget.send, budget.load, budget.total)
    return (name, *(seconds(part) if part else "-" for part in parts))


def _print_writes(file: SiteFile) -> None:
    """What is written to devices though nothing is done: logons, where a family tells nothing without one."""
    if file.site.control != "observe":
        return
    logons = [table.id for table in file.miners if table.password is not None and logs_on_to_read(table)]
    if logons:
        print(f"Written to devices while it observes: logons to read {', '.join(logons)}; no heartbeat, no session.\n")
    else:
        print("Written to devices while it observes: nothing; no heartbeat, no session, no logon.\n")
