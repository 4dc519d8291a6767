"""`ballast`, the command: finds the subcommand, imports it alone, and hands over."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from agent.cli import EXIT_FAILED, SUBCOMMANDS, Subcommand

_ABOUT = """Edge agent of a modular energy-and-compute site: it reads the meters, decides locally which loads give up
how many watts, proves it at the meter, and tells it signed over MQTT.
It is control, not protection: relays, breakers, hard-wired stops and PLC interlocks must suffice alone."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one subcommand; returns its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    asked = next((word for word in words if not word.startswith("-")), None)
    parser = _parser(asked)
    arguments = parser.parse_args(words)
    if arguments.main is None:
        parser.print_help()
        return 2
    try:
        code: int = arguments.main(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # `ballast tail | head`: whoever read us has enough. Python must not find the closed pipe again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    return code


def _parser(asked: str | None) -> argparse.ArgumentParser:
    """The parser; only the subcommand asked for is imported and knows its own arguments."""
    examples = "\n".join(f"  {row.example}" for row in SUBCOMMANDS)
    parser = argparse.ArgumentParser(
        prog="ballast",
        description=_ABOUT,
        epilog=f"examples:\n{examples}\n\n`ballast SUBCOMMAND --help` tells more of each.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ballast {version('ballast-agent')}")
    parser.set_defaults(main=None)
    rows = parser.add_subparsers(title="subcommands", metavar="SUBCOMMAND")
    for row in SUBCOMMANDS:
        if row.name == asked:
            _add_whole(rows, row)
        else:
            rows.add_parser(row.name, help=row.does)
    return parser


def _add_whole(rows: "argparse._SubParsersAction[argparse.ArgumentParser]", row: Subcommand) -> None:
    module = importlib.import_module(row.module)
    parser = rows.add_parser(
        row.name,
        help=row.does,
        description=module.__doc__,
        epilog=f"example:\n  {row.example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    parser.set_defaults(main=module.main)


if __name__ == "__main__":
    sys.exit(main())
