"""Every fault at once, each with its file, line, table, name, key, value, what is wrong and the mend."""

from pathlib import Path

import pytest

from tests.config.sites import SITE, changed, faults_of, told, written

TWELVE = """\
[site]
id = "Granbury 07"
agent = "ctl-1"
control = "acting"
nominal_hz = "60"
nominal = 60

[[circuit]]
id = "poi"
meter = "mian"
limit_kw = -4
fallback_kw = 100

[[circuit]]
id = "rack"
parent = "poi"

[[link]]
id = "net"
url = "10.20.0.10:502"

[[meter]]
id = "main"
link = "net"
unit_id = 1.5
profile = "eastron-sdm630"
nominal_ln_v = 277.0

[[miner]]
id = "a"

[[plc]]
id = "tank-a"

[[rule]]
id = "ufr"
kind = "under_frequency"
circuit = "poi"
shed_below_hz = 59.7
shed_kw = 900
release = { above_hz = 59.95, fors = 900 }

[telemetry]
interval_ms = true
"""


def test_twelve_and_more_different_faults_are_all_told_at_once(tmp_path: Path) -> None:
    assert told(tmp_path, TWELVE) == [
        'site.toml:2 [site] id = "Granbury 07": not well formed; '
        "use lower-case letters, digits and -, at most 32, beginning with a letter or a digit",
        'site.toml:4 [site] control = "acting": no such choice; did you mean "act"?',
        'site.toml:5 [site] nominal_hz = "60": this is text; write the number without quotes: 60',
        'site.toml:6 [site] nominal = 60: no such key here; did you mean "nominal_hz"?',
        'site.toml:10 [[circuit]] "poi" meter = "mian": there is no [[meter]] of this id; did you mean "main"?',
        'site.toml:11 [[circuit]] "poi" limit_kw = -4: too low; write a number above 0, at most 1000000, such as 4000',
        'site.toml:14 [[circuit]] "rack" limit_kw: missing; add it: a number above 0, at most 1000000, such as 4000',
        'site.toml:20 [[link]] "net" url = "10.20.0.10:502": not a tcp://, rtu+tcp:// or rtu:// URL; '
        'write "tcp://ADDRESS:PORT", such as "tcp://10.20.0.10:502"',
        'site.toml:25 [[meter]] "main" unit_id = 1.5: not a whole number; write a whole number from 0 to 255',
        'site.toml:29 [[miner]]: no such table; did you mean "miners"?',
        'site.toml:32 [[plc]] "tank-a" link: missing; add it: text in quotes',
        'site.toml:32 [[plc]] "tank-a" profile: missing; '
        "add it: text in quotes (a profile's name, or the path of a profile's TOML file)",
        'site.toml:41 [[rule]] "ufr" release.fors = 900: no such key here; did you mean "for_s"?',
        'site.toml:41 [[rule]] "ufr" release.for_s: missing; add it: a number from 0 to 86400, such as 900',
        "site.toml:44 [telemetry] interval_ms = true: this is true or false; "
        "write a whole number from 100 to 3600000, such as 1000",
    ]


def test_a_fault_keeps_its_parts_for_programs(tmp_path: Path) -> None:
    path = written(tmp_path, changed(("shed_below_hz = 49.5", 'shed_below_hz = "x"')))

    (fault,) = faults_of(path)

    assert (fault.file, fault.line, fault.table, fault.name) == (str(path), 39, "[[rule]]", "ufr")
    assert (fault.key, fault.value, fault.wrong) == ("shed_below_hz", '"x"', "this is text")
    assert fault.mend == "write a number from 45 to 65, such as 59.7"


VALUES = [
    ("nominal_hz = 50.0", "nominal_hz = nan", "nominal_hz = nan: not a finite number; write a number from 45 to 65"),
    ("limit_kw = 400", "limit_kw = inf", "limit_kw = inf: not a finite number; write a number above 0"),
    ("limit_kw = 400", "limit_kw = 2e6", "limit_kw = 2000000.0: too high; write a number above 0, at most 1000000"),
    ("limit_kw = 400", "limit_kw = [1]", "limit_kw = [1]: this is a list; write a number above 0"),
    ("limit_kw = 400", "limit_kw = 2026-01-01", "limit_kw = 2026-01-01: this is a date or a time; write a number"),
    ('id = "demo"', "id = 5", "id = 5: this is a whole number; write text in quotes"),
    ('id = "demo"', 'id = ""', 'id = "": empty; use lower-case letters'),
    ('id = "demo"', 'id = "a\\nb"', 'id = "a\\nb": control characters in it; take them out'),
    ("sleep_w = 25", "sleep_w = 25\nport = 4028.0", "port = 4028.0: not a whole number; write 4028"),
    ("sleep_w = 25", "sleep_w = 25\nport = 1" + "0" * 400, "port = 0x"),
    ('hosts = ["127.1.0.1-127.1.0.60"]', 'hosts = "127.1.0.1"', 'hosts = "127.1.0.1": this is text; write a list'),
    (
        'hosts = ["127.1.0.1-127.1.0.60"]',
        'hosts = ["127.1.0.1", 2]',
        "hosts[1] = 2: this is a whole number; write text",
    ),
    ("{ above_hz = 49.9, for_s = 5 }", "5", "release = 5: this is a whole number; write { above_hz = …, for_s = … }"),
    ("limit_kw = 400", 'limit_kw = 400\n"odd key" = 1', '"odd key" = 1: no such key here; take it out'),
    ('kind = "under_frequency"', 'kind = "under_freqency"', 'no such rule; did you mean "under_frequency"?'),
    (
        'kind = "under_frequency"',
        "kind = 5",
        'kind = 5: this is a whole number; write "under_frequency" or "power_cap"',
    ),
    ('kind = "under_frequency"\n', "", 'kind: missing; add it: "under_frequency" or "power_cap" or "command"'),
    ("[mqtt]", "[[mqtt]]", "[[mqtt]]: written as one of several, but there is only one; write [mqtt], once"),
    ("[site]", "odd = 1\n[site]", "odd = 1: a key outside of any table; the tables are site, circuit"),
    ("[site]", "circuit = 1\n[site]", "Cannot"),
    ("[site]", "meters = []\n[site]", '[[meters]]: no such table; did you mean "meter"?'),
    ("[site]", "keys = 5\n[site]", "keys = 5: a whole number, not a table; write its keys in a table"),
    ("[site]", "rule = [5]\n[site]", "cannot mutate immutable namespace ('rule',); a list written in one line"),
]


@pytest.mark.parametrize(("before", "after", "expected"), VALUES, ids=[after[:30] for _, after, _ in VALUES])
def test_a_wrong_value_is_told_with_what_to_write(tmp_path: Path, before: str, after: str, expected: str) -> None:
    lines = told(tmp_path, changed((before, after)))

    assert any(expected.lower() in line.lower() for line in lines), lines


def test_a_table_written_once_where_there_may_be_several_is_told(tmp_path: Path) -> None:
    (line, *_) = told(tmp_path, SITE.replace("[[link]]", "[link]"))

    assert line == "site.toml:17 [link]: written once, but there may be several; write [[link]]"


def test_what_is_no_table_in_a_list_of_tables_is_told(tmp_path: Path) -> None:
    lines = told(tmp_path, "rule = [\n{ kind = 5 },\n5]")

    assert 'site.toml:3 [[rule]] "#2": a whole number, not a table; write [[rule]] and its keys below it' in lines


def test_one_slip_is_told_once(tmp_path: Path) -> None:
    """What refers to a table with a fault is not told that there is no such table."""
    lines = told(tmp_path, changed(('id = "net"\nurl = "tcp://127.0.0.1:5020"', 'id = "net"\nurl = 5')))

    assert lines == ['site.toml:19 [[link]] "net" url = 5: this is a whole number; '
                     'write text in quotes, such as "tcp://10.20.0.10:502" '
                     '(tcp://ADDRESS:PORT, rtu+tcp://ADDRESS:PORT, or rtu:///dev/… of a serial line)']  # fmt: skip


def test_an_empty_file_is_told_what_to_begin_with(tmp_path: Path) -> None:
    assert told(tmp_path, "") == [
        'site.toml [site]: missing; begin with [site] and its id = "…" and nominal_hz = …',
        'site.toml [[circuit]]: missing; add [[circuit]] with id = "…" and limit_kw = …: the grid connection',
    ]
