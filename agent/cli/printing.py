"""Tables for people: drawn on a terminal, plain aligned text elsewhere, so that a file or a pipe stays readable."""

import json
import sys
from collections.abc import Sequence

import msgspec

Row = Sequence[str]


def print_table(title: str, columns: Sequence[str], rows: Sequence[Row], right: Sequence[str] = ()) -> None:
    """One table; columns named in `right` are aligned to the right."""
    rows = [[printable(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_drawn(title, columns, rows, right)
        return
    sys.stdout.write(plain_table(title, columns, rows, right))


def plain_table(title: str, columns: Sequence[str], rows: Sequence[Row], right: Sequence[str] = ()) -> str:
    """The table as text."""
    lines = [list(columns), *(list(row) for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(columns))]
    text = [f"{title}\n"]
    for line in lines:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for cell, width, column in zip(line, widths, columns, strict=True)
        ]
        text.append("  " + "  ".join(cells).rstrip() + "\n")
    return "".join(text) + "\n"


def printable(text: str) -> str:
    """The text with what a terminal would act on made visible: much of what is printed here a device has said."""
    return text if text.isprintable() else "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def print_json(value: object) -> None:
    """Any Struct or plain value, indented for reading."""
    sys.stdout.write(json.dumps(msgspec.to_builtins(value), indent=2, ensure_ascii=False) + "\n")


def kw(watts: float | None) -> str:
    """Watts as kW for reading."""
    return "?" if watts is None else f"{watts / 1000:,.1f}"


def seconds(ms: float) -> str:
    """A time for reading, in the unit that suits it."""
    if ms < 1000:
        return f"{ms:.0f} ms"
    if ms < 120_000:
        return f"{ms / 1000:.1f} s"
    if ms < 7_200_000:
        return f"{ms / 60_000:.0f} min"
    return f"{ms / 3_600_000:.0f} h"


def _print_drawn(title: str, columns: Sequence[str], rows: Sequence[Row], right: Sequence[str]) -> None:
    # Here, not at the top: --json and pipes do without it.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)
