"""Step times as Ballast uses them: a table of hil/families.toml, and what site.toml and its inventory want to know.

Watts are the miner's own where it tells them; else the meter's, which sees whatever else hangs on it too.
"""

from collections.abc import Sequence

from hil.probe.moves import Move
from hil.probe.report import Report
from hil.probe.switching import Stage, Switched
from hil.results import percentile


def step_times(report: Report, switched: Switched, name: str, rate_ths: float | None) -> str:
    """The text of step-times.toml; empty where nothing moved both ways."""
    downs, ups = switched.moves(down=True), switched.moves(down=False)
    watts = [move for stage in switched.stages if stage.down and (move := _watts_of(stage)) is not None]
    if not downs or not ups or not watts:
        return ""
    count = len(switched.could(down=True))
    awake_w, asleep_w = (percentile(values, 0.5) or 0.0 for values in ([one.before for one in watts], _after(watts)))
    whose = "its own watts" if switched.stages[0].own is not None else "the meter's watts, with all else that it sees"
    seen = f"{len(downs)} of {count} stops seen by {switched.witness}"
    lines = [
        f"# A table for hil/families.toml; for site.toml and an inventory, by {whose}:",
        f"#     rated_w = {awake_w:.0f}",
        f"#     sleep_w = {asleep_w:.0f}",
        "# Seconds are the least and the most that was measured.",
        f"[{name}]",
        f'source = "{_plain(report.device)}, {seen}, ballast-hil probe {report.taken[:10]}"',
        f"idle_w = {asleep_w:.1f}",
        f"down_delay_s = {_range([move.delay_s for move in downs])}",
        f"down_ramp_s = {_range([move.ramp_s for move in downs])}",
        f"up_delay_s = {_range([move.delay_s for move in ups])}",
        f"up_ramp_s = {_range([move.ramp_s for move in ups])}",
        f"stuck = {(count - len(downs)) / count:.2f}",
    ]
    if rate_ths and awake_w > 0:
        lines.append(f"terahash_per_kw = {rate_ths / (awake_w / 1000):.1f}")
    return "\n".join(lines) + "\n"


def _watts_of(stage: Stage) -> Move | None:
    return stage.own or stage.meter


def _after(moves: Sequence[Move]) -> list[float]:
    return [move.after for move in moves]


def _range(values: Sequence[float]) -> str:
    return f"[{min(values):.2f}, {max(values):.2f}]"


def _plain(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable() and letter not in '"\\')
