"""Inventories and host ranges: every broken line by its file and line, and no miner twice on a site."""

from pathlib import Path

import pytest

from agent.config import load
from agent.config.inventory import Broken, miners_of_hosts
from tests.config.sites import SITE, changed, told, written

TANK = """
[[plc]]
id = "tank-a"
link = "net"
unit_id = 3
profile = "two-phase-tank"

[[rule]]
id = "cool"
kind = "cooling"
plc = "tank-a"
shed = { vapor_pressure_kpa_g_above = 6.0, for_ms = 200 }
warn = { vapor_pressure_kpa_g_above = 4.0, for_s = 5 }
permit = { vapor_pressure_kpa_g_below = 3.0, for_s = 60 }
"""
BY_INVENTORY = changed(('hosts = ["127.1.0.1-127.1.0.60"]', 'inventory = "miners.csv"'))


def lines_of(folder: Path, csv: str | bytes, text: str = BY_INVENTORY) -> list[str]:
    (folder / "miners.csv").write_bytes(csv.encode() if isinstance(csv, str) else csv)
    return told(folder, text)


def test_the_shipped_inventory_is_read_whole(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[2] / "docs" / "miners-a.csv"
    (tmp_path / "miners.csv").write_bytes(shipped.read_bytes())
    text = BY_INVENTORY.replace("limit_kw = 400", "limit_kw = 4000").replace("limit_kw = 300", "limit_kw = 1500")

    (miners,) = load(written(tmp_path, text + TANK)).miners

    assert len(miners.hosts) == 350
    assert miners.load_id(miners.hosts[16]) == "a/10.20.1.17"
    assert (miners.hosts[0].label, miners.hosts[0].model) == ("A-001", "Antminer S19k Pro")
    assert (miners.hosts[0].rated_w, miners.hosts[0].string, miners.hosts[0].tank) == (2760.0, "east", "tank-a")


def test_columns_may_be_in_any_order_and_watts_come_from_the_table_where_none_are_given(tmp_path: Path) -> None:
    (tmp_path / "miners.csv").write_text(
        "\ufeffrated_w, address\r\n,10.0.0.1\r\n\r\n2000, 10.0.0.2\r\n", encoding="utf-8"
    )

    (miners,) = load(written(tmp_path, BY_INVENTORY)).miners

    assert [(host.address, host.rated_w) for host in miners.hosts] == [("10.0.0.1", 3250.0), ("10.0.0.2", 2000.0)]


def test_every_broken_line_is_told_at_once(tmp_path: Path) -> None:
    csv = """\
address,label,rated_w
10.0.0.1,one,3000
10.0.0.256,two,3000
10.0.0.3,three
10.0.0.4,four,3 kW
10.0.0.5,five,20
10.0.0.1,six,3000

10.0.0.0/24,seven,
224.0.0.1,eight,
,nine,
10.0.0.10,"ten, quoted",nan
"""

    assert lines_of(tmp_path, csv) == [
        'miners.csv:3 [[miners]] "a" address = "10.0.0.256": not an IP address; '
        "write four numbers from 0 to 255, such as 10.20.1.17",
        'miners.csv:4 [[miners]] "a": 2 values under 3 columns; '
        "write address, label, rated_w; quote a value that has a comma",
        'miners.csv:5 [[miners]] "a" rated_w = "3 kW": not a number; write watts as digits alone, such as 3250',
        'miners.csv:6 [[miners]] "a" rated_w = "20": can\'t be what one miner draws; '
        "write W above sleep_w (25), at most 100000",
        'miners.csv:7 [[miners]] "a" address = "10.0.0.1": also on line 2; each miner stands once; take one out',
        'miners.csv:9 [[miners]] "a" address = "10.0.0.0/24": a network, not an address; '
        'write a range as "10.20.1.1-10.20.1.250"',
        'miners.csv:10 [[miners]] "a" address = "224.0.0.1": not one machine\'s address; '
        "write the miner's own address",
        'miners.csv:11 [[miners]] "a" address = "": not an IP address; '
        "write four numbers from 0 to 255, such as 10.20.1.17",
        'miners.csv:12 [[miners]] "a" rated_w = "nan": can\'t be what one miner draws; '
        "write W above sleep_w (25), at most 100000",
    ]


@pytest.mark.parametrize(
    ("csv", "expected"),
    [
        ("adress,label\n10.0.0.1,x\n", ':1 [[miners]] "a" adress: no such column; did you mean "address"?'),
        ("address,address\n10.0.0.1,x\n", ':1 [[miners]] "a" address: a column that is there twice; take one out'),
        ("label\nx\n", ':1 [[miners]] "a" address: missing column; begin the file with the line address,label,model'),
        ("", ':1 [[miners]] "a" address: missing column'),
        ('address\n"10.0.0.1\n', ":2 [[miners]] \"a\": not CSV: unexpected end of data; close every quote"),
        (b"address,label\n10.0.0.1,caf\xe9\n", ':2 [[miners]] "a": byte 0xe9 is not UTF-8; save the file as UTF-8'),
        ('address,label\n10.0.0.1,"a\nb"\n', ':2 [[miners]] "a" label = "a\\nb": longer than 100 characters, or not'),
        (f"address,label\n10.0.0.1,{'x' * 200_000}\n", ":2 [[miners]] \"a\": not CSV: field larger than field limit"),
        ("address\nfe80::1%eth0\n", ":2 [[miners]] \"a\" address = \"fe80::1%eth0\": a link-local address"),
    ],
)  # fmt: skip
def test_a_broken_inventory_is_told_with_file_and_line(tmp_path: Path, csv: str | bytes, expected: str) -> None:
    lines = lines_of(tmp_path, csv)

    assert any(line.startswith(f"miners.csv{expected}") for line in lines), lines


def test_an_inventory_without_a_miner_is_told(tmp_path: Path) -> None:
    (line,) = lines_of(tmp_path, "address\n")

    assert line.endswith('inventory = "miners.csv": no miner in it; write one line for each miner')


def test_an_inventory_that_is_not_there_is_told(tmp_path: Path) -> None:
    (line,) = told(tmp_path, BY_INVENTORY)

    assert line == (
        "miners.csv [[miners]] \"a\": can't be read: No such file or directory; "
        "put the file there, or mend `inventory`"
    )  # fmt: skip


def test_a_miner_without_watts_is_told(tmp_path: Path) -> None:
    (line,) = lines_of(tmp_path, "address\n10.0.0.1\n", BY_INVENTORY.replace("rated_w = 3250\n", ""))

    assert line == (
        'miners.csv:2 [[miners]] "a" rated_w: missing; write the miner\'s watts, or rated_w in the table'
    )  # fmt: skip


def test_an_inventory_is_checked_though_its_table_has_a_fault(tmp_path: Path) -> None:
    lines = lines_of(tmp_path, "address\n10.0.0.999\n", BY_INVENTORY.replace("sleep_w = 25", "sleep_w = -1"))

    assert [line.split(" ")[0] for line in lines] == ["site.toml:33", "miners.csv:2"]


def test_an_inventory_whose_name_no_file_can_have_is_told_once(tmp_path: Path) -> None:
    (line,) = told(tmp_path, BY_INVENTORY.replace('"miners.csv"', '"a\\u0000b"'))

    assert line.endswith('inventory = "a\\u0000b": control characters in it; take them out')


def test_a_miner_in_two_tables_is_told_with_both_places(tmp_path: Path) -> None:
    second = SITE[SITE.index("[[miners]]") : SITE.index("[[rule]]")].replace('id = "a"', 'id = "b"')

    (line,) = lines_of(tmp_path, "address\n10.0.0.1\n127.1.0.60\n", f"{BY_INVENTORY}{second}")

    assert line.endswith("1 of these also at miners.csv:3; each miner stands once; take it out of one of them")


def test_two_ports_at_one_address_are_two_miners(tmp_path: Path) -> None:
    second = SITE[SITE.index("[[miners]]") : SITE.index("[[rule]]")].replace('id = "a"', 'id = "b"\nport = 4029')

    assert len(load(written(tmp_path, f"{SITE}{second}")).miners) == 2


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("10.0.0.1", ["10.0.0.1"]),
        ("10.0.0.254 - 10.0.1.1", ["10.0.0.254", "10.0.0.255", "10.0.1.0", "10.0.1.1"]),
        ("fd00::17", ["fd00::17"]),
    ],
)
def test_hosts_are_addresses_and_ranges(text: str, addresses: list[str]) -> None:
    assert [miner.address for miner in miners_of_hosts(text, 3250.0)] == addresses


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("10.0.0.9-10.0.0.1", "the range runs backwards"),
        ("10.0.0.1-10.1.0.0", "65536 addresses"),
        ("10.0.0.1-2-3", "more than one - in it"),
        ("10.0.0.1-20", "not an IP address"),
        ("fd00::1-fd00::9", "a range of IPv6 addresses"),
        ("miner-7.local", "not an IP address"),
        ("10.0.0.01", "not an IP address"),
        ("0.0.0.0", "not one machine's address"),
    ],
)
def test_hosts_that_name_no_miners_say_why(text: str, wrong: str) -> None:
    with pytest.raises(Broken) as raised:
        miners_of_hosts(text, 3250.0)

    assert raised.value.wrong == wrong


def test_a_site_of_more_miners_than_one_agent_takes_is_told(tmp_path: Path) -> None:
    lines = told(tmp_path, changed(('"127.1.0.1-127.1.0.60"', '"10.0.0.1-10.0.63.255", "10.1.0.1-10.1.63.255"')))

    assert any("32766 miners so far; a site has at most 20000: use several agents" in line for line in lines), lines
