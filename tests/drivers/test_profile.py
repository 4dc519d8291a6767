"""Profiles: all that is wrong with a file is said at once, each with line and mend; a right one is read as is."""

from pathlib import Path

import pytest

from drivers.points import POINTS
from drivers.profile import KINDS, Bit, Coil, Heartbeat, Identity, Point, ProfileErrors, load_profile

GOOD = """\
name          = "acme-pm3"
source        = "Acme PM3 Modbus manual, rev 2.1, table 4"
word_order    = "big"
registers_max = 64
table         = "holding"
base          = 1
refresh_ms    = 200
readable      = [[1, 100]]

[probe]
at     = 0x0001
expect = 0x0303

[[point]]
name   = "power_w"
at     = 0x0035
kind   = "int32"
scale  = 10.0
absent = [0x7FFF_FFFF, 0x8000_0000]
poll   = "fast"
min    = -5_000_000
max    = 5_000_000

[[point]]
name = "frequency_hz"
at   = 0x0033
kind = "uint16"
scale = 0.01
unverified = true
"""


def faults(folder: Path, text: str) -> list[str]:
    file = folder / "acme.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(ProfileErrors) as caught:
        load_profile(file)
    assert str(caught.value).splitlines() == [str(fault) for fault in caught.value.faults]
    return [str(fault) for fault in caught.value.faults]


def test_a_file_is_read_as_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "acme.toml"
    file.write_text(GOOD, "utf-8")

    profile = load_profile(str(file))

    assert (profile.name, profile.word_order, profile.registers_max) == ("acme-pm3", "big", 64)
    assert profile.refresh_ms == 200.0
    assert profile.readable == ((0, 100),)
    assert profile.identity == Identity(0, KINDS["uint16"], (0x0303,), "holding", 1)
    assert profile.points == (
        Point("frequency_hz", 0x32, KINDS["uint16"], scale=0.01, unverified=True),
        Point(
            "power_w",
            0x34,
            KINDS["int32"],
            scale=10.0,
            absent=frozenset({0x7FFF_FFFF, -0x8000_0000}),  # as an int32 reads it
            fast=True,
            value_min=-5e6,
            value_max=5e6,
        ),
    )


# What is changed in the good file, and what is said about it.
BROKEN = [
    (
        'kind   = "int32"',
        'kind   = "int31"',
        'acme.toml:17 [[point]] 1 "power_w" kind = "int31": is not a known word; did you mean "int32"?',
    ),
    (
        'name   = "power_w"',
        'name   = "powr_w"',
        'acme.toml:15 [[point]] 1 "powr_w" name = "powr_w": is not a known word; did you mean "power_w"?',
    ),
    (
        "scale = 0.01",
        "scal = 0.01",
        'acme.toml:28 [[point]] 2 "frequency_hz" scal = 0.01: is not a known key; did you mean "scale"?',
    ),
    (
        "at   = 0x0033",
        "",
        'acme.toml:24 [[point]] 2 "frequency_hz" at: is missing; add at = ...',
    ),
    (
        "at   = 0x0033",
        "at   = 0x0036",
        'acme.toml:26 [[point]] 2 "frequency_hz" at = 54: shares registers with power_w (int32); '
        "compare the address and the kind of both with the manual",
    ),
    (
        "at     = 0x0035",
        "at     = 65_536",
        'acme.toml:16 [[point]] 1 "power_w" at = 65536: is out of place; a whole number from 1 to 65535',
    ),
    (
        "base          = 1",
        "base          = 2",
        "acme.toml:6 base = 2: is out of place; a whole number from 0 to 1",
    ),
    (
        'word_order    = "big"',
        'word_order    = "bigg"',
        'acme.toml:3 word_order = "bigg": is not a known word; did you mean "big"?',
    ),
    (
        'source        = "Acme PM3 Modbus manual, rev 2.1, table 4"',
        "",
        "acme.toml source: is missing; add source = ...",
    ),
    (
        "registers_max = 64",
        "registers_max = 126",
        "acme.toml:4 registers_max = 126: is out of place; a whole number from 4 to 125",
    ),
    (
        "min    = -5_000_000",
        "min    = 5_000_000",
        'acme.toml:21 [[point]] 1 "power_w" min = 5000000: is not below max = 5e+06; '
        "the smallest plausible value goes into min",
    ),
    (
        "scale  = 10.0",
        "scale  = 0",
        'acme.toml:18 [[point]] 1 "power_w" scale = 0: makes every value 0; leave it out for 1',
    ),
    (
        "scale  = 10.0",
        "scale  = nan",
        'acme.toml:18 [[point]] 1 "power_w" scale = nan: is not a finite number; write it like 0.1',
    ),
    (
        "absent = [0x7FFF_FFFF, 0x8000_0000]",
        "absent = [0x1_0000_0000]",
        'acme.toml:19 [[point]] 1 "power_w" absent: 4294967296 does not fit into int32; '
        "give raw values, as they are before scale and offset",
    ),
    (
        'poll   = "fast"',
        'poll   = "fasst"',
        'acme.toml:20 [[point]] 1 "power_w" poll = "fasst": is not a known word; did you mean "fast"?',
    ),
    (
        'poll   = "fast"',
        "",
        'acme.toml:14 [[point]]: none is polled fast; give what rules decide from, like power_w, poll = "fast"',
    ),
    (
        'name = "frequency_hz"',
        'name = "power_w"',
        'acme.toml:25 [[point]] 2 "power_w" name = "power_w": is there twice; leave one of the two out',
    ),
    (
        "unverified = true",
        'unverified = "yes"',
        'acme.toml:29 [[point]] 2 "frequency_hz" unverified = "yes": is neither true nor false; '
        "without quotes, in small letters",
    ),
    (
        "expect = 0x0303",
        "expect = 0x1_0303",
        "acme.toml:12 [probe] expect = 66307: does not fit into uint16; "
        "give the raw number, or a list of those that are right",
    ),
    (
        "expect = 0x0303",
        "",
        "acme.toml:10 [probe] expect: is missing; add expect = ...",
    ),
    (
        "readable      = [[1, 100]]",
        "readable      = [[100, 1]]",
        "acme.toml:8 readable: [100, 1] is not [first, last]; two registers from 1 to 65536, the lower first",
    ),
    (
        "refresh_ms    = 200",
        "refresh_ms    = 0",
        "acme.toml:7 refresh_ms = 0: is not above 0; leave it out when it is not known",
    ),
    (
        'table         = "holding"',
        'table         = "coils"',
        'acme.toml:5 table = "coils": is not a known word; it must be one of holding, input',
    ),
    (
        'name          = "acme-pm3"',
        'name          = "Acme PM3"',
        'acme.toml:1 name = "Acme PM3": has other letters than a-z, 0-9 and -; write it like "acme-pm3"',
    ),
]


@pytest.mark.parametrize(("right", "wrong", "said"), BROKEN, ids=[said.split(": ", 1)[1][:40] for _, _, said in BROKEN])
def test_a_broken_profile_is_told_with_its_line_and_its_mend(tmp_path: Path, right: str, wrong: str, said: str) -> None:
    assert GOOD.count(right) == 1

    assert faults(tmp_path, GOOD.replace(right, wrong)) == [said]


PLC = """\
name       = "acme-plc"
source     = "Acme PLC program 3, table of variables"
word_order = "big"
table      = "holding"
base       = 0

[[bit]]
name  = "leak"
table = "holding"
at    = 10
bit   = 3

[[bit]]
name  = "k1_closed"
table = "discrete"
at    = 0
poll  = "slow"

[[coil]]
name = "k1"
at   = 0

[[coil]]
name = "k2"
at   = 1
unverified = true

[heartbeat]
at           = 100
echo         = 101
counter      = 102
comm_timeout = 103

[[point]]
name = "coolant_c"
at   = 11
kind = "int16"
"""


def test_a_plc_is_read_as_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "acme.toml"
    file.write_text(PLC, "utf-8")

    profile = load_profile(file)

    assert profile.is_plc
    assert profile.bits == (Bit("k1_closed", "discrete", 0, fast=False), Bit("leak", "holding", 10, 3))
    assert profile.coils == (Coil("k1", 0), Coil("k2", 1, unverified=True))
    assert profile.heartbeat == Heartbeat(100, 101, 102, 103)
    assert [point.name for point in profile.points] == ["coolant_c"]


BROKEN_PLCS = [
    ("bit   = 3", "bit   = 16", 'acme.toml:11 [[bit]] 1 "leak" bit = 16: is out of place; a whole number from 0 to 15'),
    ("bit   = 3", "", 'acme.toml:7 [[bit]] 1 "leak" bit: is missing; add bit = ...'),
    (
        'poll  = "slow"',
        "bit = 1",
        'acme.toml:17 [[bit]] 2 "k1_closed" bit = 1: is for registers, and a discrete is one bit; take it out',
    ),
    (
        'table = "discrete"',
        'table = "discreet"',
        'acme.toml:15 [[bit]] 2 "k1_closed" table = "discreet": is not a known word; did you mean "discrete"?',
    ),
    (
        'name  = "leak"',
        'name  = "coolant_c"',
        'acme.toml:8 [[bit]] 1 "coolant_c" name = "coolant_c": is the name of a quantity; '
        "call it otherwise: drivers/points.py has these names",
    ),
    (
        'name  = "leak"',
        'name  = "Leak!"',
        'acme.toml:8 [[bit]] 1 "Leak!" name = "Leak!": has other letters than a-z, 0-9 and _; '
        'write it like "k1_closed"',
    ),
    (
        'name  = "k1_closed"',
        'name  = "leak"',
        'acme.toml:14 [[bit]] 2 "leak" name = "leak": is there twice; leave one of the two out',
    ),
    (
        "at   = 1\n",
        "at   = 0\n",
        'acme.toml:25 [[coil]] 2 "k2" at = 0: is the same coil as k1; compare the address of both with the manual',
    ),
    (
        'name = "k2"',
        'name = "k1"',
        'acme.toml:24 [[coil]] 2 "k1" name = "k1": is there twice; leave one of the two out',
    ),
    (
        "counter      = 102",
        "counter      = 100",
        "acme.toml:31 [heartbeat] counter = 100: is the register of at; give each its own register",
    ),
    (
        "echo         = 101\ncounter      = 102\n",
        "",
        "acme.toml [heartbeat] echo: is missing, and so is counter; "
        "add echo = ... or counter = ...: without one nobody sees that the PLC has stopped",
    ),
    (
        "at   = 11",
        "at   = 10",
        "acme.toml bit: the register of leak is coolant_c; compare both addresses with the manual",
    ),
    (
        '[[coil]]\nname = "k1"\nat   = 0\n',
        '[[coils]]\nname = "k1"\nat   = 0\n',
        'acme.toml coils: is not a known key; did you mean "coil"?',
    ),
]


@pytest.mark.parametrize(("right", "wrong", "said"), BROKEN_PLCS, ids=[row[2][10:60] for row in BROKEN_PLCS])
def test_a_broken_plc_is_told_with_its_line_and_its_mend(tmp_path: Path, right: str, wrong: str, said: str) -> None:
    assert PLC.count(right) == 1

    assert faults(tmp_path, PLC.replace(right, wrong)) == [said]


def test_all_faults_are_told_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    text = GOOD
    for right, wrong, _ in BROKEN[:3]:
        text = text.replace(right, wrong)

    told = faults(tmp_path, text)

    assert [fault.split(" ")[0] for fault in told] == ["acme.toml:15", "acme.toml:17", "acme.toml:28"]


def test_a_syntax_error_names_its_line(tmp_path: Path) -> None:
    (said,) = faults(tmp_path, GOOD.replace('kind   = "int32"', "kind   = int32"))

    assert said.startswith("acme.toml:17 file: is not TOML")


def test_a_file_without_points_is_refused(tmp_path: Path) -> None:
    (said,) = faults(tmp_path, GOOD[: GOOD.index("[[point]]")])

    assert said == "acme.toml point: the file has no [[point]]; give each quantity a [[point]] with name, at and kind"


def test_a_missing_file_and_an_unknown_name_are_told_apart() -> None:
    with pytest.raises(ProfileErrors, match=r"/nowhere/acme.toml file: cannot be read: No such file"):
        load_profile("/nowhere/acme.toml")
    with pytest.raises(ProfileErrors, match=r'no packaged profile of this name; did you mean "eastron-sdm630"\?'):
        load_profile("eastron-smd630")


WRITTEN = {"°C": "c", "l/min": "lpm", "%": "pct", "1/min": "rpm"}


def test_every_point_has_the_unit_that_its_name_ends_in() -> None:
    ends = {name: name.removesuffix("_g").rsplit("_", 1)[1] for name, unit in POINTS.items() if unit != "1"}

    assert ends == {name: WRITTEN.get(POINTS[name], POINTS[name].lower()) for name in ends}
