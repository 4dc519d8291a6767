"""Which miners a [[miners]] table has: an inventory (CSV) or host ranges, both checked line by line.

An inventory has a first line of column names and one miner a line:

    address,label,model,rated_w,string,tank
    10.20.1.1,A-001,Antminer S19k Pro,2760,east,tank-a

Only `address` must be there; the columns may be in any order. `string` says what feeds the miner: a contactor's `feeds`
names it. `tank` says what cools it: the id of a [[plc]] with a cooling rule, before the table's `cooling`.
"""

import csv
import io
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final

from agent.config.faults import Fault, shown
from agent.config.loads import Miner
from agent.config.reading import nearest

COLUMNS: Final = ("address", "label", "model", "rated_w", "string", "tank")
MINERS_MAX: Final = 20_000  # of one site: twice the largest fleet that the figures speak of
_BYTES_MAX: Final = 8 << 20
_TEXT_MAX: Final = 100
_RATED_W_MAX: Final = 100_000.0

Address = IPv4Address | IPv6Address


class Broken(Exception):
    """A text that names no miners; says why, and the mend."""

    def __init__(self, wrong: str, mend: str) -> None:
        super().__init__(f"{wrong}; {mend}")
        self.wrong = wrong
        self.mend = mend


def miners_of_hosts(text: str, rated_w: float) -> list[Miner]:
    """The miners of one entry of `hosts`: an address, or the first and the last one of a range joined by "-"."""
    ends = [part.strip() for part in text.split("-")]
    if len(ends) > 2:
        raise Broken("more than one - in it", 'write a range as "10.20.1.1-10.20.1.250"')
    first, last = _address(ends[0]), _address(ends[-1])
    if isinstance(first, IPv6Address) or isinstance(last, IPv6Address):
        if first != last:
            raise Broken("a range of IPv6 addresses", "write each address by itself")
        return [Miner(address=str(first), rated_w=rated_w)]
    if last < first:
        raise Broken("the range runs backwards", f'write "{last}-{first}"')
    if int(last) - int(first) >= MINERS_MAX:
        raise Broken(f"{int(last) - int(first) + 1} addresses", f"a site has at most {MINERS_MAX} miners")
    return [Miner(address=str(IPv4Address(value)), rated_w=rated_w) for value in range(int(first), int(last) + 1)]


class Inventory:
    """One CSV file while it is read: its miners with their lines, and every fault in it."""

    def __init__(self, path: Path, shown_path: str, table: str, rated_w: float | None, sleep_w: float) -> None:
        self.miners: list[tuple[int, Miner]] = []
        self.text = ""  # as read
        self.faults: list[Fault] = []
        self._path = path
        self.file = shown_path
        self._table = table
        self._rated_w = rated_w
        self._sleep_w = sleep_w
        text = self._text()
        if text is not None:
            self.text = text
            self._read(text)

    def fault(self, line: int, key: str, value: str | None, wrong: str, mend: str) -> None:
        """Notes a fault of one line."""
        written = None if value is None else shown(value)
        self.faults.append(Fault(self.file, line, "[[miners]]", self._table, key, written, wrong, mend))

    def _text(self) -> str | None:
        try:
            with self._path.open("rb") as file:
                data = file.read(_BYTES_MAX + 1)
        except OSError as error:
            self.fault(0, "", None, f"can't be read: {error.strerror}", "put the file there, or mend `inventory`")
            return None
        if len(data) > _BYTES_MAX:
            self.fault(0, "", None, f"larger than {_BYTES_MAX >> 20} MiB", "this is not an inventory")
            return None
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            self.fault(line, "", None, f"byte 0x{data[error.start]:02x} is not UTF-8", "save the file as UTF-8")
            return None

    def _read(self, text: str) -> None:
        rows = self._rows(text)
        line, columns = next(rows, (1, []))
        columns = [column.lower() for column in columns]
        if not self._columns_hold(line, columns):
            return
        seen: dict[str, int] = {}
        for line, row in rows:
            if len(row) != len(columns):
                mend = f"write {', '.join(columns)}; quote a value that has a comma"
                self.fault(line, "", None, f"{len(row)} values under {len(columns)} columns", mend)
                continue
            miner = self._miner(line, dict(zip(columns, row, strict=True)))
            if miner is None:
                continue
            if miner.address in seen:
                wrong = f"also on line {seen[miner.address]}"
                self.fault(line, "address", miner.address, wrong, "each miner stands once; take one out")
                continue
            seen[miner.address] = line
            self.miners.append((line, miner))

    def _rows(self, text: str) -> Iterator[tuple[int, list[str]]]:
        """Lines that are not blank, with the number that each begins on; stops at what is not CSV."""
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        line = 1
        while True:
            try:
                row = [value.strip() for value in next(reader)]
            except StopIteration:
                return
            except csv.Error as error:
                self.fault(line, "", None, f"not CSV: {error}", 'close every quote; write a quote in a value as ""')
                return
            if any(row):
                yield line, row
            line = reader.line_num + 1

    def _columns_hold(self, line: int, columns: list[str]) -> bool:
        before = len(self.faults)
        for column in columns:
            if column not in COLUMNS:
                mend = nearest(column, COLUMNS, f"the columns are {', '.join(COLUMNS)}")
                self.fault(line, column, None, "no such column", mend)
            elif columns.count(column) > 1:
                self.fault(line, column, None, "a column that is there twice", "take one out")
        if "address" not in columns:
            mend = f"begin the file with the line {','.join(COLUMNS)}"
            self.fault(line, "address", None, "missing column", mend)
        return len(self.faults) == before

    def _miner(self, line: int, row: dict[str, str]) -> Miner | None:
        before = len(self.faults)
        address = ""
        try:
            address = str(_address(row["address"]))
        except Broken as broken:
            self.fault(line, "address", row["address"], broken.wrong, broken.mend)
        for column in ("label", "model", "string", "tank"):
            text = row.get(column, "")
            if len(text) > _TEXT_MAX or not text.isprintable():
                wrong = f"longer than {_TEXT_MAX} characters, or not printable"
                self.fault(line, column, text, wrong, "shorten it")
        rated_w = self._rated(line, row.get("rated_w", ""))
        if len(self.faults) > before or rated_w is None:
            return None
        return Miner(
            address=address,
            label=row.get("label", ""),
            model=row.get("model", ""),
            rated_w=rated_w,
            string=row.get("string", ""),
            tank=row.get("tank", ""),
        )

    def _rated(self, line: int, text: str) -> float | None:
        if not text:
            if self._rated_w is None:
                self.fault(line, "rated_w", None, "missing", "write the miner's watts, or rated_w in the table")
            return self._rated_w
        try:
            rated_w = float(text)
        except ValueError:
            self.fault(line, "rated_w", text, "not a number", "write watts as digits alone, such as 3250")
            return None
        if not self._sleep_w < rated_w <= _RATED_W_MAX:
            mend = f"write W above sleep_w ({self._sleep_w:g}), at most {_RATED_W_MAX:g}"
            self.fault(line, "rated_w", text, "can't be what one miner draws", mend)
            return None
        return rated_w


def _address(text: str) -> Address:
    if "/" in text:
        raise Broken("a network, not an address", 'write a range as "10.20.1.1-10.20.1.250"')
    try:
        address = ip_address(text)
    except ValueError:
        raise Broken("not an IP address", "write four numbers from 0 to 255, such as 10.20.1.17") from None
    if "%" in text:
        raise Broken("a link-local address with its interface", "write an address that needs none")
    if address.is_multicast or address.is_unspecified or address == IPv4Address("255.255.255.255"):
        raise Broken("not one machine's address", "write the miner's own address")
    return address
