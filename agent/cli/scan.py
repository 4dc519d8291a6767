"""Finds miners: asks each address on the ports that miners have, and tells what answers; changes nothing.

HOSTS are addresses and ranges, as in site.toml: 10.20.1.1-10.20.1.250. Shown are family, model, firmware, hash rate,
watts (m: measured, e: by the miner's own model) and state. With --inventory each family's miners go to a CSV file with
the [[miners]] table to go with it. --try-default-passwords logs on once to each miner whose family has a default one.
"""

import argparse
import asyncio
import csv
import ipaddress
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final

from agent.cli import EXIT_FAILED, EXIT_OK
from agent.cli.printing import print_json, print_table
from agent.config.inventory import Broken, miners_of_hosts
from agent.shell.clock import SystemClock
from drivers.dial import SocketDial, raise_descriptor_limit
from drivers.miners.client import Exchanger
from drivers.miners.scanning import Found, Ports, Scan

AT_ONCE: Final = 512  # three connections each; an address that drops them takes 0.8 s
COLUMNS: Final = ("address", "family", "model", "firmware", "TH/s", "W", "state", "note")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `ballast scan` takes."""
    parser.add_argument("hosts", nargs="+", metavar="HOSTS", help="addresses and ranges, such as 10.20.1.1-10.20.1.250")
    parser.add_argument("--inventory", metavar="FOLDER", type=Path, help="write miners-FAMILY.csv there")
    parser.add_argument("--try-default-passwords", action="store_true", help="one logon a miner with its vendor's own")
    parser.add_argument("--port", type=int, default=Ports().api, help="of the cgminer API (%(default)s)")
    parser.add_argument("--web-port", type=int, default=Ports().web, help="of their web servers (%(default)s)")
    parser.add_argument("--v3-port", type=int, default=Ports().v3, help="of Whatsminer's API v3 (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def main(arguments: argparse.Namespace) -> int:
    """Scans and prints."""
    addresses: list[str] = []
    for written in arguments.hosts:
        try:
            addresses += [miner.address for miner in miners_of_hosts(written, 1.0)]
        except Broken as broken:
            print(f"ballast scan: {written}: {broken}", file=sys.stderr)
            return EXIT_FAILED
    addresses = list(dict.fromkeys(addresses))
    clock = SystemClock()
    began_ns = clock.monotonic_ns()
    found = asyncio.run(_scan(arguments, addresses))
    found.sort(key=lambda one: (ipaddress.ip_address(one.address).version, ipaddress.ip_address(one.address)))
    if arguments.inventory is not None:
        _write(arguments.inventory, found)
    if arguments.json:
        print_json({"asked": len(addresses), "found": [_told(one) for one in found]})
        return EXIT_OK
    title = f"{len(found)} of {len(addresses)} addresses answer, {(clock.monotonic_ns() - began_ns) / 1e9:.1f} s"
    print_table(title, COLUMNS, [_cells(one) for one in found], right=("TH/s", "W"))
    if arguments.inventory is not None:
        _print_tables(arguments.inventory, found)
    return EXIT_OK


async def _scan(arguments: argparse.Namespace, addresses: Sequence[str]) -> list[Found]:
    raise_descriptor_limit()
    dial, clock = SocketDial(), SystemClock()
    exchanger = Exchanger(dial, clock.monotonic_ns)
    ports = Ports(arguments.port, arguments.web_port, arguments.v3_port)
    scan = Scan(exchanger.ask, clock.monotonic_ns, ports, try_passwords=arguments.try_default_passwords)
    room = asyncio.Semaphore(AT_ONCE)
    found: list[Found] = []

    async def look(address: str) -> None:
        async with room:
            one = await scan.look(address)
        if one is not None:
            found.append(one)
        bar.advance()

    with _bar(len(addresses)) as bar:
        try:
            async with asyncio.TaskGroup() as looks:
                for address in addresses:
                    looks.create_task(look(address), name=f"scan:{address}")
        finally:
            exchanger.close()
            dial.shut()
    return found


class _Bar:
    """A progress bar on a terminal's standard error, nothing elsewhere."""

    def __init__(self, progress: Any = None, task: Any = None) -> None:
        self._progress, self._task = progress, task

    def advance(self) -> None:
        if self._progress is not None:
            self._progress.advance(self._task)


class _Drawn(AbstractContextManager[_Bar]):
    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import Progress

        self._progress = Progress(console=Console(stderr=True), transient=True)
        self._total = total

    def __enter__(self) -> _Bar:
        self._progress.start()
        return _Bar(self._progress, self._progress.add_task("addresses", total=self._total))

    def __exit__(self, *ended: object) -> None:
        self._progress.stop()


def _bar(total: int) -> AbstractContextManager[_Bar]:
    return _Drawn(total) if sys.stderr.isatty() else nullcontext(_Bar())


def _cells(one: Found) -> tuple[str, ...]:
    state = one.state
    rate = "" if state is None or state.hash_rate_ths is None else f"{state.hash_rate_ths:,.1f}"
    watts = "" if state is None or state.watts is None else f"{state.watts:,.0f} {'m' if state.measured else 'e'}"
    step = "?" if state is None or state.step is None else state.step
    return one.address, one.family, one.model, one.firmware, rate, watts, step, one.note


def _told(one: Found) -> dict[str, object]:
    state = one.state
    return {
        "address": one.address,
        "family": one.family,
        "model": one.model,
        "firmware": one.firmware,
        "port": one.port,
        "hash_rate_ths": None if state is None else state.hash_rate_ths,
        "watts": None if state is None else state.watts,
        "measured": state is not None and state.measured,
        "step": None if state is None else state.step,
        "note": one.note,
    }


def _of_family(found: Sequence[Found]) -> dict[str, list[Found]]:
    families: dict[str, list[Found]] = {}
    for one in found:
        families.setdefault(one.family, []).append(one)
    return families


def _file(folder: Path, family: str) -> Path:
    return folder / f"miners-{family}.csv"


def _write(folder: Path, found: Sequence[Found]) -> None:
    """An inventory for each family; watts are told where they were measured on one that hashes."""
    folder.mkdir(parents=True, exist_ok=True)
    for family, miners in _of_family(found).items():
        with _file(folder, family).open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(("address", "label", "model", "rated_w"))
            for one in miners:
                state = one.state
                known = state is not None and state.measured and state.step == "on" and state.watts
                rows.writerow((one.address, "", one.model, f"{state.watts:.0f}" if state and known else ""))


def _print_tables(folder: Path, found: Sequence[Found]) -> None:
    for family, miners in _of_family(found).items():
        print(f'[[miners]]\nid = "{family}"\ncircuit = "..."\ninventory = "{_file(folder, family)}"')
        print(f'family = "{family}"\nport = {miners[0].port}')
        print("rated_w = 0      # of one, where the inventory has none\nsleep_w = 0      # of one, asleep\n")
