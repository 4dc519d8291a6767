"""`ballast` itself: the table of subcommands, help that teaches, and nothing imported that was not asked for."""

from importlib import import_module

import pytest

from agent.__main__ import main
from agent.cli import SUBCOMMANDS, Subcommand


def test_every_subcommand_has_a_module_that_can_be_called() -> None:
    for row in SUBCOMMANDS:
        module = import_module(row.module)

        assert callable(module.add_arguments), row.name
        assert callable(module.main), row.name
        assert module.__doc__, row.name


def test_help_names_every_subcommand_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])

    told = capsys.readouterr().out
    assert ended.value.code == 0
    assert "control, not protection" in told
    for row in SUBCOMMANDS:
        assert row.example in told


@pytest.mark.parametrize("name", [row.name for row in SUBCOMMANDS])
def test_help_of_a_subcommand_explains_it_and_gives_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    row = next(row for row in SUBCOMMANDS if row.name == name)

    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])

    told = capsys.readouterr().out
    assert ended.value.code == 0
    assert f"example:\n  {row.example}" in told
    assert (import_module(row.module).__doc__ or "").split("\n")[0] in told


@pytest.mark.parametrize("row", SUBCOMMANDS, ids=lambda row: row.name)
def test_the_example_of_each_subcommand_is_accepted_by_its_own_parser(
    row: Subcommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = row.example.partition(">")[0].split()
    monkeypatch.setattr(f"{row.module}.main", lambda arguments: 0)

    assert (words[:2], main(words[1:])) == (["ballast", row.name], 0)


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])

    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("ballast 0.")


def test_without_a_subcommand_help_is_printed_and_it_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: ballast" in capsys.readouterr().out


def test_an_unknown_subcommand_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["chek"])

    assert ended.value.code == 2
    assert "invalid choice: 'chek'" in capsys.readouterr().err
