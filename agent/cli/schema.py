"""Prints the JSON Schema (2020-12) of site.toml, for editors and for programs that write one.

It knows keys, types and ranges. What must hold between them, and each inventory's lines, only `ballast check` knows.
"""

import argparse
from typing import Any

import msgspec

from agent.cli import EXIT_OK
from agent.cli.printing import print_json
from agent.config.tables import SiteToml


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `ballast schema` takes."""
    parser.add_argument("--json", action="store_true", help="it always is JSON; accepted for sameness")


def main(_arguments: argparse.Namespace) -> int:
    """Prints the schema."""
    print_json(site_schema())
    return EXIT_OK


def site_schema() -> dict[str, Any]:
    """The JSON Schema of site.toml."""
    schema = msgspec.json.schema(SiteToml)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Ballast site.toml", **schema}
