"""Tables: drawn on a terminal, plain elsewhere, and text of a device is never markup."""

import sys

import pytest

from agent.cli.printing import kw, plain_table, print_table, seconds


def test_a_plain_table_is_aligned_by_its_widest_cells() -> None:
    table = plain_table("Loads", ("load", "kW"), [("a/10.20.1.17", "3.2"), ("b", "1,234.5")], right=("kW",))

    assert table == "Loads\n  load               kW\n  a/10.20.1.17      3.2\n  b             1,234.5\n\n"


def test_on_a_terminal_the_same_table_is_drawn_and_brackets_stay_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    print_table("Loads", ("load", "kW"), [("[red]a[/red]", "3.2")], right=("kW",))

    drawn = capsys.readouterr().out
    assert "[red]a[/red]" in drawn
    assert "┃" in drawn


def test_what_a_terminal_would_act_on_is_made_visible(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("Devices", ("detail",), [("\x1b[2Jgone\nmore\u202e é",)])

    assert capsys.readouterr().out == "Devices\n  detail\n  \\x1b[2Jgone\\nmore\\u202e é\n\n"


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0.4, "0 ms"), (999, "999 ms"), (1500, "1.5 s"), (119_000, "119.0 s"), (600_000, "10 min"), (86_400_000, "24 h")],
)
def test_a_time_is_in_the_unit_that_suits_it(ms: float, text: str) -> None:
    assert seconds(ms) == text


def test_watts_are_read_as_kilowatts_and_unknown_ones_as_a_question() -> None:
    assert (kw(3_225_000), kw(None)) == ("3,225.0", "?")
