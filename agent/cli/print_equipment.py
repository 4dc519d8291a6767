"""Tanks, contactors and GPUs as `ballast check` prints them; nothing of what a site has not."""

from agent.cli.equipment import ContactorRow, GpusRow, TankRow
from agent.cli.forecast import Forecast
from agent.cli.printing import print_table, seconds


def print_equipment(would: Forecast) -> None:
    """A table for each kind that the site has."""
    if would.tanks:
        print_table(
            "Tanks (kW at rated watts)",
            ("tank", "rule", "control", "circuits", "loads", "cools"),
            [_tank_cells(row) for row in would.tanks],
            right=("loads", "cools"),
        )
        print_table(
            "What each tank's PLC must say",
            ("tank", "then", "when", "for"),
            [cells for row in would.tanks for cells in _values(row)],
        )
    if would.contactors:
        print_table(
            "Contactors (kW at rated watts; wait: the longest until a coil's frame may go out)",
            ("contactor", "plc", "circuit", "feeds", "loads", "kW", "use", "wait", "on silence", "closes with"),
            [_contactor_cells(row) for row in would.contactors],
            right=("loads", "kW", "wait"),
        )
    if would.gpus:
        print_table(
            "GPUs (W of each)",
            ("gpus", "circuit", "at", "count", "floor", "fallback", "tank"),
            [_gpus_cells(row) for row in would.gpus],
            right=("count", "floor", "fallback"),
        )


def _tank_cells(row: TankRow) -> tuple[str, ...]:
    cools = f"{row.rated_kw:,.1f}" + "".join(f" + {name}" for name in row.gpus)
    return row.id, row.rule, "act" if row.acts else "observe", ", ".join(row.circuits), str(row.loads), cools


def _values(row: TankRow) -> tuple[tuple[str, ...], ...]:
    returns = f"sheds; returns by itself {row.auto_returns_per_day} a day"
    return (
        (row.id, returns, " or ".join(row.shed), seconds(row.shed_for_ms)),
        (row.id, "alarm, nothing rises", " or ".join(row.warn), seconds(1000 * row.warn_for_s)),
        (row.id, "may rise", " and ".join(row.permit), seconds(1000 * row.permit_for_s)),
    )


def _contactor_cells(row: ContactorRow) -> tuple[str, ...]:
    return (
        row.id,
        row.plc,
        row.circuit,
        row.feeds,
        str(row.loads),
        f"{row.rated_kw:,.1f}",
        row.use,
        seconds(row.write_wait_ms),
        row.on_silence,
        ", ".join(row.permit),
    )


def _gpus_cells(row: GpusRow) -> tuple[str, ...]:
    count = "all" if row.gpus is None else str(row.gpus)
    return row.id, row.circuit, row.at, count, f"{row.floor_w:g}", f"{row.fallback_w:g}", row.tank or ""
