"""The subcommands of `ballast-hil`: every module of this folder is one, by its own name.

    \"\"\"The first line says what it does, in the list of subcommands; the rest is its --help.\"\"\"

    EXAMPLE = "ballast-hil run --fast"
    def add(parser: argparse.ArgumentParser) -> None     declares what it takes
    def run(arguments: argparse.Namespace) -> int        does it; the exit code

Exit codes: 0 all is well, 1 something is not, 2 wrongly called. A module imports what it needs inside these functions
when that is heavy: each of them is imported for the list.
"""
