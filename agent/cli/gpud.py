"""The GPUs' own program: reads them, sets their limits, lowers them when nobody renews its lease.

It runs as root on the GPUs' host; the agent itself needs no privilege, and a driver that hangs holds up only this.

    ballast gpud --user ballast --group ballast --ceiling-w 600
"""

import argparse

from agent.shell.clock import SystemClock
from drivers.gpu import daemon


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `ballast gpud` takes."""
    daemon.add_arguments(parser)


def main(arguments: argparse.Namespace) -> int:
    """Runs until told to stop."""
    return daemon.main(arguments, SystemClock().monotonic_ns)
