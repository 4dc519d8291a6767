"""What `ballast check` says about miners' families: which are only read, which are slow, what logs on to read."""

from pathlib import Path
from typing import Any

import pytest

from agent.__main__ import main
from agent.cli.forecast import forecast
from agent.cli.miners import warnings_of_miners
from agent.config import load
from tests.config.sites import changed, written

AVALON = 'family = "avalon"'
ROOM = ("fallback_kw = 50", "fallback_kw = 250")


def _said(tmp_path: Path, keys: str) -> str:
    (tmp_path / "pw").write_text("x\n")
    return " ".join(warnings_of_miners(load(written(tmp_path, changed((AVALON, keys), ROOM)))))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            'family = "auto"',
            'only read, never told anything, and in no ladder: family = "auto" identifies and proposes',
        ),
        ('family = "unknown"', "nobody knows its verbs"),
        ('family = "vnish"', "vnish takes verbs with a password alone; add password"),
        ('family = "mara"\npassword = "pw"', "no device has proven the verbs of mara; unverified_control = true"),
        ('family = "antminer"\npassword = "pw"', "antminer takes up to 180 s to stop. Only a contactor is fast"),
        ('family = "epic"\npassword = "gone"', "gone on this machine; without it nothing starts"),
    ],
)
def test_what_is_not_controlled_or_slow_is_said_with_its_mend(tmp_path: Path, keys: str, said: str) -> None:
    assert said in _said(tmp_path, keys)


@pytest.mark.parametrize("keys", [AVALON, 'family = "whatsminer"\npassword = "pw"', 'family = "bitaxe"'])
def test_of_what_is_controlled_and_fast_nothing_is_said(tmp_path: Path, keys: str) -> None:
    assert _said(tmp_path, keys) == ""


def test_what_is_only_read_stands_in_no_ladder_and_draws_what_it_draws(tmp_path: Path) -> None:
    would = forecast(load(written(tmp_path, changed((AVALON, 'family = "auto"'), ROOM))))

    assert would.ladder == ()
    assert would.circuits[0].floor_kw == would.circuits[0].rated_kw


def test_logons_while_observing_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[Any]) -> None:
    (tmp_path / "pw").write_text("x\n")
    path = written(tmp_path, changed((AVALON, 'family = "braiins"\npassword = "pw"')))

    main(["check", str(path)])

    assert (
        "Written to devices while it observes: logons to read a; no heartbeat, no session." in capsys.readouterr().out
    )
