"""The generated site.toml: what a rig gives, what a scenario lays over it, and that it is TOML."""

import tomllib
from pathlib import Path

from hil.rig_file import STAND_INS, Table, load_rig_file
from hil.site_toml import Places, laid_over, site_tables, to_toml, write_site

RIG = load_rig_file(STAND_INS)
EAST_AND_WEST = tuple(f"127.30.0.{number}" for number in range(1, 13))
MODBUS = {"main": "127.0.0.1:1502", "switchgear": "127.0.0.1:1503", "tank-a": "/dev/pts/7", "incomer": "127.0.0.1:1502"}


def places(folder: Path, broker: int | None = 1883) -> Places:
    return Places(folder, folder / "state", MODBUS, {"a": EAST_AND_WEST}, f"unix:{folder}/gpud.sock", broker)


def tables(folder: Path, uses: tuple[str, ...], changes: Table | None = None, broker: int | None = 1883) -> Table:
    return tomllib.loads(to_toml(site_tables(RIG.choose(uses, {}), places(folder, broker), changes or {})))


def test_devices_that_are_not_used_are_not_in_it(tmp_path: Path) -> None:
    small = tables(tmp_path, ("main", "a"))

    assert [meter["id"] for meter in small["meter"]] == ["main"]
    assert not {"plc", "contactor", "gpus"} & small.keys()
    assert small["circuit"][0]["meter"] == "main"
    assert small["miners"][0]["inventory"] == "miners-a.csv"


def test_a_site_with_everything_names_what_feeds_and_cools(tmp_path: Path) -> None:
    whole = tables(tmp_path, ("main", "a", "tank-a", "switchgear", "r1"))

    assert {plc["id"] for plc in whole["plc"]} == {"tank-a", "switchgear"}
    assert whole["contactor"][0]["feeds"] == {"miners": "a", "string": "east"}
    assert whole["gpus"][0]["cooling"] == "tank-a"
    assert whole["gpus"][0]["at"] == f"unix:{tmp_path}/gpud.sock"


def test_devices_at_one_address_share_a_link_and_a_serial_line_is_one(tmp_path: Path) -> None:
    whole = tables(tmp_path, ("main", "incomer", "a", "tank-a"))
    links = {link["id"]: link["url"] for link in whole["link"]}

    assert [meter["link"] for meter in whole["meter"]] == ["main-net", "main-net"]
    assert links["tank-a-net"].startswith("rtu:///dev/pts/7?")


def test_what_a_scenario_says_is_laid_over_it(tmp_path: Path) -> None:
    changes = {
        "site": {"control": "observe"},
        "circuit": [{"id": "poi", "limit_kw": 80}],
        "rule": [{"id": "limits", "kind": "power_cap"}],
    }

    site = tables(tmp_path, ("main", "a"), changes)

    assert site["site"]["control"] == "observe"
    assert site["site"]["agent"] == "ctl-1"
    assert (site["circuit"][0]["limit_kw"], site["circuit"][0]["unmetered_kw"]) == (80, 6)
    assert site["rule"] == [{"id": "limits", "kind": "power_cap"}]


def test_without_a_broker_there_is_no_uplink(tmp_path: Path) -> None:
    assert "mqtt" not in tables(tmp_path, ("main", "a"), broker=None)


def test_a_table_of_another_id_stands_beside_the_others() -> None:
    assert laid_over([{"id": "a", "x": 1}], [{"id": "b"}]) == [{"id": "a", "x": 1}, {"id": "b"}]
    assert laid_over({"permit": ["a", "b"]}, {"permit": ["c"]}) == {"permit": ["c"]}


def test_the_inventory_has_each_miner_with_its_string_and_a_tank_only_where_there_is_one(tmp_path: Path) -> None:
    write_site(RIG.choose(("main", "a"), {}), places(tmp_path), {})
    without = (tmp_path / "miners-a.csv").read_text(encoding="utf-8").splitlines()
    write_site(RIG.choose(("main", "a", "tank-a"), {}), places(tmp_path), {})
    cooled = (tmp_path / "miners-a.csv").read_text(encoding="utf-8").splitlines()

    assert without[1] == "127.30.0.1,east,"
    assert cooled[1] == "127.30.0.1,east,tank-a"
    assert cooled[7] == "127.30.0.7,west,"
    assert len(cooled) == 13


def test_texts_with_quotes_and_nested_tables_survive() -> None:
    odd = {"a": {"b": 'say "no"', "c": {"d": [1, 2.5, True]}, "e": ["x"]}}

    assert tomllib.loads(to_toml(odd)) == odd
