"""`ballast schema`: the JSON Schema accepts what `ballast check` accepts, as far as keys, types and ranges go."""

import json
import math
import re
import tomllib
from typing import Any

import pytest

from agent.__main__ import main
from agent.cli.schema import site_schema
from tests.config.sites import SITE, changed

KINDS = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
}


def faults_by_schema(schema: dict[str, Any], value: Any, whole: dict[str, Any]) -> list[str]:
    """What a value breaks of a schema: the keywords that msgspec writes, by JSON Schema 2020-12 section 10 and 6."""
    if "$ref" in schema:
        return faults_by_schema(whole["$defs"][schema["$ref"].removeprefix("#/$defs/")], value, whole)
    found: list[str] = []
    if "anyOf" in schema and all(faults_by_schema(choice, value, whole) for choice in schema["anyOf"]):
        found.append(f"{value!r} is none of the choices")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{value!r} is not in {schema['enum']}")
    kind = schema.get("type")
    if kind in ("number", "integer"):
        is_number = isinstance(value, int if kind == "integer" else (int, float)) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value):
            return [f"{value!r} is no {kind}"]
        low, above = schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf)
        if not (low <= value <= schema.get("maximum", math.inf) and value > above):
            found.append(f"{value!r} is out of range")
    elif kind is not None and not isinstance(value, KINDS[kind]):
        return [f"{value!r} is no {kind}"]
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        found.append(f"{value!r} does not match")
    for item in value if isinstance(value, list) else ():
        found += faults_by_schema(schema.get("items", {}), item, whole)
    if isinstance(value, dict):
        known = schema.get("properties", {})
        found += [f"{key} is missing" for key in schema.get("required", ()) if key not in value]
        for key, item in value.items():
            if key in known:
                found += faults_by_schema(known[key], item, whole)
            elif schema.get("additionalProperties") is False:
                found.append(f"{key} is unknown")
    return found


def test_a_good_file_keeps_to_the_schema() -> None:
    schema = site_schema()

    assert faults_by_schema(schema, tomllib.loads(SITE), schema) == []


@pytest.mark.parametrize(
    "change",
    [
        ('id = "demo"', 'id = "De mo"'),
        ("limit_kw = 400", "limit_kw = 0"),
        ("limit_kw = 400", 'limit_kw = "x"'),
        ("limit_kw = 400\n", ""),
        ("rated_w", "rated"),
        ('kind = "under_frequency"', 'kind = "heat"'),
        ("above_hz", "above"),
        ('hosts = ["127.1.0.1-127.1.0.60"]', "hosts = [1]"),
        ("[mqtt]", "[mqqt]"),
    ],
)
def test_a_bad_file_breaks_it(change: tuple[str, str]) -> None:
    schema = site_schema()

    assert faults_by_schema(schema, tomllib.loads(changed(change)), schema)


def test_every_key_is_explained_somewhere() -> None:
    for name, table in site_schema()["$defs"].items():
        assert table["description"], name


def test_it_is_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(site_schema()))
