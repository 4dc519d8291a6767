"""`ballast-hil`, the rig: the installed agent against devices, real ones or stand-ins, driven from outside only.

Subcommands are the modules of hil/commands/; a new file there is a new subcommand.
"""

import argparse
import importlib
import pkgutil
import signal
import sys
from collections.abc import Sequence
from types import ModuleType

from hil import commands

_ABOUT = """The rig: scenarios played against the installed `ballast` with real devices, stand-ins, or both.
It drives the agent from outside only: its sockets, its command line and MQTT."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one subcommand; returns its exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started is ended either way
    arguments = _parser(_modules()).parse_args(argv)
    try:
        code: int = arguments.run(arguments)
    except KeyboardInterrupt:
        print("interrupted; everything that was started has been ended", file=sys.stderr)
        return 130
    return code


def _modules() -> dict[str, ModuleType]:
    names = sorted(module.name for module in pkgutil.iter_modules(commands.__path__))
    return {name: importlib.import_module(f"{commands.__name__}.{name}") for name in names}


def _parser(modules: dict[str, ModuleType]) -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    examples = "\n".join(f"  {module.EXAMPLE}" for module in modules.values())
    parser = argparse.ArgumentParser(
        prog="ballast-hil", description=_ABOUT, epilog=f"examples:\n{examples}", formatter_class=raw
    )
    rows = parser.add_subparsers(title="subcommands", metavar="SUBCOMMAND", required=True)
    for name, module in modules.items():
        about = module.__doc__ or ""
        row = rows.add_parser(
            name,
            help=about.partition("\n")[0].rstrip("."),
            description=about,
            epilog=f"example:\n  {module.EXAMPLE}",
            formatter_class=raw,
        )
        module.add(row)
        row.set_defaults(run=module.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
