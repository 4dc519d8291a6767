"""The scanner finds the line of every table, key and value that tomllib finds."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config.lines import Lines

EXAMPLE = Path(__file__).parents[2] / "docs" / "site.example.toml"

TRICKY = '''\
# a comment with [brackets] and "quotes
top = 1
"quoted key" = 2
'single.quoted' = 3
"es\\"caped" = 4
[a.b]
c.d = 5
c.e = "a # that is no comment"
f = [1, 2,   # [a comment
     "x]", # "another
  [3,
   4]]
g = """
[not.a.table]
h = 1
""\\"still inside"""
h = { i = 6, j = { k = 7 }, "l" = [8, { m = 9 }] }
n = \'\'\'
[[rule]] \'\'still inside
\'\'\'\'
o = 1979-05-27 07:32:00
p = """five quotes end it"""""
[[rule]]
id = "first"
[rule.release]
above_hz = 1
  [[rule]] # indented
  id = "second"
  [[rule.step]]
  q = 1
  [[rule.step]]
  q = 2
[ "spaced" . 'header' ]
r = true
[[inline]]
s = [
  { t = 1 },
  { t = 2 },
]
'''


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list) and value:
        for at, item in enumerate(value):
            yield from leaves(item, (*path, at))
    else:
        yield path


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 2),
        (("quoted key",), 3),
        (("single.quoted",), 4),
        (('es"caped',), 5),
        (("a", "b"), 6),
        (("a", "b", "c", "d"), 7),
        (("a", "b", "c", "e"), 8),
        (("a", "b", "f"), 9),
        (("a", "b", "f", 2), 10),
        (("a", "b", "f", 3, 1), 12),
        (("a", "b", "g"), 13),
        (("a", "b", "h", "j", "k"), 17),
        (("a", "b", "h", "l", 1, "m"), 17),
        (("a", "b", "n"), 18),
        (("a", "b", "o"), 21),
        (("a", "b", "p"), 22),
        (("rule", 0), 23),
        (("rule", 0, "release", "above_hz"), 26),
        (("rule", 1), 27),
        (("rule", 1, "id"), 28),
        (("rule", 1, "step", 1, "q"), 32),
        (("spaced", "header", "r"), 34),
        (("inline", 0, "s", 1, "t"), 38),
    ],
)
def test_every_way_to_write_a_key_has_its_line(path: tuple[str | int, ...], line: int) -> None:
    assert Lines(TRICKY).at(path) == line


def test_the_tricky_text_is_toml_and_all_of_it_is_found() -> None:
    lines = Lines(TRICKY)

    assert all(lines.at(path) for path in leaves(tomllib.loads(TRICKY)))


def test_what_is_not_there_has_the_line_of_what_would_hold_it() -> None:
    lines = Lines(TRICKY)

    assert lines.at(("rule", 1, "no_such_key")) == 27
    assert lines.at(("no_such_table",)) == 0


def test_every_key_of_the_example_stands_on_its_line() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    lines, rows = Lines(text), text.split("\n")

    for path in leaves(tomllib.loads(text)):
        key = [part for part in path if isinstance(part, str)][-1]
        assert key in rows[lines.at(path) - 1], path


def test_windows_line_ends_count_once() -> None:
    assert Lines("a = 1\r\n\r\nb = 2\r\n").at(("b",)) == 3


KEYS = st.text("ab-_", min_size=1, max_size=3) | st.sampled_from(['"a b"', "'#'", '"]"', '"\\""', "'='"])
VALUES = st.recursive(
    st.sampled_from(
        ["1", "-1.5e3", "true", '"x"', '"#"', "'\\'", '"""\n"\n[t]"""', "'''\n'k'\n'''", "07:32:00", '"\\\\"']
    ),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: "[\n" + ", # ]\n".join(items) + "]")
        | st.dictionaries(KEYS, inner, max_size=3).map(
            lambda pairs: "{ " + ", ".join(f"{key} = {value}" for key, value in pairs.items()) + " }"
        )
    ),
    max_leaves=6,
)
STATEMENTS = (
    st.tuples(st.lists(KEYS, min_size=1, max_size=2).map(" . ".join), VALUES).map(" = ".join)
    | st.lists(KEYS, min_size=1, max_size=2).map(lambda keys: f"[{'.'.join(keys)}]")
    | st.lists(KEYS, min_size=1, max_size=2).map(lambda keys: f"  [[{'.'.join(keys)}]] # [x]")
)


@given(st.lists(STATEMENTS, max_size=8))
def test_whatever_tomllib_accepts_each_leaf_is_on_a_line_that_has_its_key(statements: list[str]) -> None:
    text = ""
    for statement in statements:
        try:
            tomllib.loads(f"{text}{statement}\n")
        except tomllib.TOMLDecodeError:
            continue
        text += f"{statement}\n"
    lines, rows = Lines(text), text.split("\n")

    for path in leaves(tomllib.loads(text)):
        if not path or isinstance(path[-1], int):
            continue
        line = lines.at(path)
        key = path[-1].strip('"')
        assert key in rows[line - 1].replace('\\"', '"'), (text, path, line)


@given(st.text("ab.\"'[]{}=,#\n\\ ", max_size=60))
def test_no_text_at_all_troubles_the_scanner(text: str) -> None:
    Lines(text).at(("a",))
