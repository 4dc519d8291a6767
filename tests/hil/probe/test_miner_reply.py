"""What miners' replies say, of the recordings and of odd ones."""

from pathlib import Path

import pytest

from hil.probe.families import FAMILIES, family_name
from hil.probe.miner_reply import read_reply

_CAPTURES = Path(__file__).parents[2] / "captures" / "miners"


def _captured(folder: str, file: str) -> bytes:
    return (_CAPTURES / folder / file).read_bytes()


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("bfgminer-5.5.0-local", "bfgminer"),
        ("cgminer-4.11.1-local", "cgminer"),
        ("avalon-q-25052801", "avalon"),
        ("luxos-s19kpro-2025.4.8", "luxos"),
    ],
)
def test_every_recorded_family_is_told_by_its_version(folder: str, name: str) -> None:
    assert family_name(_captured(folder, "version.json").decode()) == name


def test_every_recorded_reply_of_the_two_programs_is_read() -> None:
    for folder in ("bfgminer-5.5.0-local", "cgminer-4.11.1-local"):
        for path in (_CAPTURES / folder).glob("*.json"):
            reply = read_reply(path.read_bytes())
            assert reply.letter or path.stem in ("plus-only", "join-stray-plus", "notallowed-summary") or reply.rows, (
                path
            )


def test_the_text_form_says_what_the_json_form_says() -> None:
    text, tree = (read_reply(_captured("bfgminer-5.5.0-local", f"summary.{form}")) for form in ("txt", "json"))

    assert (text.letter, text.code, text.words) == (tree.letter, tree.code, tree.words)
    assert set(text.rows[0]) == set(tree.rows[0])


@pytest.mark.parametrize(
    ("folder", "family", "files", "on", "watts"),
    [
        ("bfgminer-5.5.0-local", "bfgminer", ("devs-enabled",), True, None),
        ("bfgminer-5.5.0-local", "bfgminer", ("devs-disabled",), False, None),
        ("luxos-s19kpro-2025.4.8", "luxos", ("config", "power", "devs"), True, 1051.0),
        ("avalon-1246-21072802", "avalon", ("stats",), True, 3504.0),
        ("avalon-q-25052801", "avalon", ("litestats",), False, 146.0),
    ],
)
def test_a_recorded_state_is_read(
    folder: str, family: str, files: tuple[str, ...], on: bool, watts: float | None
) -> None:
    state = FAMILIES[family].state([read_reply(_captured(folder, f"{file}.json")) for file in files])

    assert (state.on, state.watts) == (on, watts)


@pytest.mark.parametrize(
    ("body", "oddity"),
    [
        (b'{"STATUS":[{"STATUS":"S","Code":9}],"DEVS":[{"ASC":0}{"ASC":1}],"id":1}', "commas are missing"),
        (b'{"STATUS":[{"STATUS":"S","Code":9}],"DEVS":[{"ASC":0},{"ASC":1},],"id":1}', "a comma before"),
        (b'{"STATUS":[{"STATUS":"S","Code":9}],"DEVS":[{"ASC":0},{"ASC":1,"T":nan}],"id":1}', "nan or inf"),
        (b'{"STATUS":[{"STATUS":"S","Code":9}],"DEVS":[{"ASC":0},{"ASC":1,"T":"a\x01"}],"id":1}', "no strict JSON"),
    ],
)
def test_what_is_not_quite_json_is_read_and_named(body: bytes, oddity: str) -> None:
    reply = read_reply(body)

    assert [row["ASC"] for row in reply.rows] == [0, 1]
    assert any(oddity in one for one in reply.oddities)


def test_half_a_reply_is_no_reply() -> None:
    reply = read_reply(b'{"STATUS":[{"STATUS":"S","Code":11}],"SUMMARY":[{"Elap')

    assert (reply.letter, reply.rows) == ("", ())
    assert reply.oddities
