"""Every [[miners]] table with its miners: from its inventory or its ranges, and no miner in two of them."""

from pathlib import Path as FilePath
from typing import Final

from msgspec.structs import asdict, replace

from agent.config.credentials import check_name, located
from agent.config.inventory import MINERS_MAX, Broken, Inventory, miners_of_hosts
from agent.config.lines import Path
from agent.config.loads import Miner, MinersTable, MinersWritten
from agent.config.reading import Draft, Rows, nearest
from agent.config.tanks import tank_fault, tanks_written
from drivers.miners.families import API_PORT, FAMILIES

_ANY_RATED_W: Final = 1.0  # stands in while rated_w has a fault of its own


def resolve_miners(draft: Draft) -> Rows[MinersTable]:
    """The miners tables that have no fault, resolved; notes the faults of the others, and of their inventories."""
    reader = draft.reader
    resolver = _Resolver(draft)
    written = dict(reader.tables("miners", MinersWritten))
    tables: Rows[MinersTable] = []
    for path, raw in reader.each("miners"):
        table = written.get(path)
        if table is None:
            # Its own keys are wrong; what its inventory has wrong is told all the same.
            inventory = raw.get("inventory")
            if isinstance(inventory, str) and inventory.isprintable():
                found = resolver.inventory(str(raw.get("id", "")), inventory, _ANY_RATED_W, 0.0)
                reader.faults += found.faults
            continue
        if table.rated_w is not None and table.rated_w <= table.sleep_w:
            reader.fault((*path, "sleep_w"), "not below rated_w", "write what one miner draws asleep")
            continue
        hosts = [_cooled(host, table.cooling) for host in resolver.of_table(path, table)]
        keys = {key: value for key, value in asdict(table).items() if key not in ("inventory", "hosts")}
        keys["port"] = port_of(table)
        if table.password is not None:
            check_name(reader, (*path, "password"), table.password)
            keys["password"] = located(draft.folder, table.password)
        tables.append((path, MinersTable(**keys, hosts=tuple(hosts))))
    return tables


def port_of(table: MinersWritten) -> int:
    """Where these miners listen: as written, else where their family does."""
    family = FAMILIES.get(table.family)
    return table.port or (family.port if family is not None else API_PORT)


def _cooled(miner: Miner, tank: str | None) -> Miner:
    """The miner with its table's tank, where the inventory names none."""
    return miner if miner.tank or tank is None else replace(miner, tank=tank)


class _Resolver:
    """Finds the miners of one table after the other, and remembers where each was."""

    def __init__(self, draft: Draft) -> None:
        self._reader = draft.reader
        self._named = draft.named
        self._folder = draft.folder
        self._seen: dict[tuple[str, int], str] = {}  # address and port -> where it stands
        self._tanks = tanks_written(draft.reader)

    def of_table(self, path: Path, table: MinersWritten) -> list[Miner]:
        """The miners of one table; notes what is wrong with them."""
        if table.family not in FAMILIES:
            mend = nearest(table.family, tuple(FAMILIES), f"write one of {', '.join(FAMILIES)}")
            self._reader.fault((*path, "family"), "no such family", mend)
        if (table.inventory is None) == (not table.hosts):
            both = table.inventory is not None
            self._reader.fault(
                (*path, "hosts"),
                "written beside inventory" if both else "missing, and no inventory",
                "keep one of the two" if both else 'add inventory = "FILE.csv" or hosts = ["10.20.1.1-10.20.1.250"]',
                missing=not both,
            )
            return []
        miners = self._of_hosts(path, table) if table.inventory is None else self._of_inventory(path, table)
        if len(self._seen) > MINERS_MAX:
            wrong = f"{len(self._seen)} miners so far"
            self._reader.fault(path, wrong, f"a site has at most {MINERS_MAX}: use several agents")
        return miners

    def _of_hosts(self, path: Path, table: MinersWritten) -> list[Miner]:
        if table.rated_w is None:
            mend = "add it: the watts of one miner; hosts alone don't tell"
            self._reader.fault((*path, "rated_w"), "missing", mend, missing=True)
        miners: list[Miner] = []
        for at, text in enumerate(table.hosts):
            place = (*path, "hosts", at)
            try:
                some = miners_of_hosts(text, table.rated_w or _ANY_RATED_W)
            except Broken as broken:
                self._reader.fault(place, broken.wrong, broken.mend)
                continue
            where = f"{self._reader.file}:{self._reader.lines.at(place)}"
            twice = [known for miner in some if (known := self._claim(miner, port_of(table), where))]
            if twice:
                wrong = f"{len(twice)} of these also at {twice[0]}"
                self._reader.fault(place, wrong, "each miner stands once; take it out of one of them")
            miners += some
        return miners

    def _of_inventory(self, path: Path, table: MinersWritten) -> list[Miner]:
        assert table.inventory is not None, "the caller has looked"
        found = self.inventory(table.id, table.inventory, table.rated_w, table.sleep_w)
        for line, miner in found.miners:
            known = self._claim(miner, port_of(table), f"{found.file}:{line}")
            if known:
                mend = "each miner stands once; take one out"
                found.fault(line, "address", miner.address, f"also at {known}", mend)
        self._check_tanks(found)
        self._reader.faults += found.faults
        if not found.miners and not found.faults:
            self._reader.fault((*path, "inventory"), "no miner in it", "write one line for each miner")
        return [miner for _, miner in found.miners]

    def _check_tanks(self, found: Inventory) -> None:
        """The tanks of an inventory: what is wrong with one is told once, on its first line."""
        lines: dict[str, list[int]] = {}
        for line, miner in found.miners:
            if miner.tank:
                lines.setdefault(miner.tank, []).append(line)
        for tank, on in lines.items():
            fault = tank_fault(tank, self._tanks)
            if fault is not None:
                more = f" (and {len(on) - 1} more lines)" if len(on) > 1 else ""
                found.fault(on[0], "tank", tank, fault[0] + more, fault[1])

    def inventory(self, name: str, file: str, rated_w: float | None, sleep_w: float) -> Inventory:
        """The inventory of one table, as far as it can be read."""
        beside = str(FilePath(self._reader.file).parent / file)
        found = Inventory(self._folder / file, beside, name, rated_w, sleep_w)
        self._named[file] = found.text
        return found

    def _claim(self, miner: Miner, port: int, where: str) -> str | None:
        """Where this miner already stands; None when it is new."""
        known = self._seen.setdefault((miner.address, port), where)
        return None if known == where else known
