"""What is not TOML is told with its line and what is usually meant."""

from pathlib import Path

import pytest

from tests.config.sites import SITE, changed, faults_of, told, written


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = 5 kW\n", ":1: expected newline or end of document after a statement; one key a line"),
        ("\na = tied\n", ":2: invalid value; put texts in quotes"),
        ("a 5\n", ":1: expected '=' after a key in a key/value pair; write KEY = VALUE"),
        ('a = "x\nb = 1\n', ":1: illegal character '\\n'; close the quotes on the same line"),
        ('a = "\\q"\n', ":1: unescaped '\\' in a string; write \\\\ for a backslash"),
        ("[site]\n[a\nb = 1\n", ":2: expected ']' at the end of a table declaration; close the bracket"),
        ("[site]\nid = 1\nid = 2\n", ":3: cannot overwrite a value; each key stands once"),
        ("[a]\n[a]\n", ":2: cannot declare ('a',) twice; a table stands once"),
        ("a = [1,\n2\n\n", ":2: unclosed array; close it with ]"),
        ("a = { b = 1\n}\n", ":1: unclosed inline table; close it with }"),
        ("a = { b = 1, }\n", ":1: invalid initial character for a key part; keys are letters"),
        ("é = 5\n", ":1: invalid statement; write KEY = VALUE or [TABLE]"),
        ("a = '''x\n", ":1: expected \"'''\"; close the quotes"),
        ('a = """x\n', ":1: unterminated string; close the quotes"),
        ("a = " + "[" * 5000, ": nested too deeply; see docs/configuration.md"),
        ("a = " + "9" * 5000, ": a number far too long; see docs/configuration.md"),
    ],
)
def test_what_is_not_toml_is_told_with_its_line(tmp_path: Path, text: str, expected: str) -> None:
    lines = told(tmp_path, text)

    assert any(line.startswith(f"site.toml{expected}") for line in lines), lines


def test_several_faults_of_syntax_are_told_at_once_and_those_of_values_too(tmp_path: Path) -> None:
    lines = told(
        tmp_path,
        changed(
            ('id = "demo"', "id = demo"),
            ("limit_kw = 400", "limit_kw = 400 kW"),
            ("sleep_w = 25", "sleep_w = -25"),
        ),
    )

    assert [line.split(":")[1].split()[0] for line in lines] == ["2", "8", "33"]


def test_what_stands_on_a_broken_line_is_not_told_as_missing(tmp_path: Path) -> None:
    lines = told(tmp_path, changed(("rated_w = 3250", "rated_w = 3,250")))

    assert len(lines) == 1


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path / "none.toml")

    assert str(fault) == (
        f"{tmp_path}/none.toml: can't be read: No such file or directory; "
        "give the path of a site.toml; docs/site.example.toml is one to begin with"
    )


def test_a_folder_is_told(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path)

    assert fault.wrong == "can't be read: Is a directory"


def test_bytes_that_are_not_utf_8_are_told_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_bytes(b'[site]\nid = "caf\xe9"\n')

    (fault,) = faults_of(path)

    assert (fault.line, fault.wrong) == (2, "byte 0xe9 is not UTF-8")


def test_a_file_beyond_all_measure_is_not_read_whole(tmp_path: Path) -> None:
    (fault,) = faults_of(written(tmp_path, "#" * ((1 << 20) + 1)))

    assert fault.wrong == "larger than 1 MiB"


def test_a_byte_order_mark_and_windows_line_ends_are_no_fault(tmp_path: Path) -> None:
    text = "\ufeff" + SITE.replace("\n", "\r\n").replace("limit_kw = 300", "limit_kw = 0")

    assert told(tmp_path, text)[0].startswith('site.toml:15 [[circuit]] "hall" limit_kw = 0: too low')
