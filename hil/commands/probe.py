"""Measure a device of your own: a meter, a PLC, a miner or a GPU.

It reads alone unless --actuate is given, which asks first. Takes a minute or so, says what it does meanwhile, and
writes into --out: report.txt and report.json; a profile (meter, PLC) or step times (miner); and `capture`, every
byte that went out and came back, in the form that tests replay. docs/probe.md walks through it.

ADDRESS is HOST, HOST:PORT, tcp://HOST:PORT, rtu+tcp://HOST:PORT or rtu:///dev/ttyUSB0?baudrate=9600&parity=N.

exit codes:
  0  measured; nothing found that Ballast could not live with
  1  measured; at least one finding is bad
  2  called wrongly, or a file or library that it needs is not there
  3  unreachable: no way to the address
  4  refused: the host says that nobody listens there, or that we may not
  5  silent: connected and asked, but no answer came
  6  it hung up, or answered something that is not its protocol
  7  --actuate was not confirmed; nothing was switched
"""

import argparse
from pathlib import Path

EXAMPLE = "ballast-hil probe --meter 10.20.0.10 --profile draft.toml"


def add(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    kinds = parser.add_mutually_exclusive_group(required=True)
    kinds.add_argument("--meter", metavar="ADDRESS", help="a meter that speaks Modbus")
    kinds.add_argument("--plc", metavar="ADDRESS", help="a PLC that speaks Modbus")
    kinds.add_argument("--miner", metavar="ADDRESS", help="a miner that speaks the cgminer API (port 4028)")
    kinds.add_argument("--gpu", metavar="GPU", help="a GPU of this machine: its number or its UUID")
    parser.add_argument("--unit", type=int, default=1, help="Modbus unit id (default 1); of the meter with --at-meter")
    parser.add_argument(
        "--profile", metavar="NAME", help="a packaged profile, or a file that ends in .toml, a draft too"
    )
    parser.add_argument("--nominal-v", type=float, metavar="V", help="nominal voltage, line to neutral, if known")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long values are watched (default 20)")
    parser.add_argument("--timeout", type=float, default=1.0, metavar="S", help="patience with one answer (default 1)")
    parser.add_argument("--actuate", action="store_true", help="switch it too; a person is asked first")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--at-meter", metavar="ADDRESS", help="a meter that sees the miner or GPU, with --profile")
    parser.add_argument("--cycles", type=int, default=3, help="how often a miner is put to sleep (default 3)")
    parser.add_argument("--settle", type=float, default=120.0, metavar="S", help="at most for one step (default 120)")
    parser.add_argument("--library", metavar="FILE", help="libnvidia-ml.so.1, where it is not found by itself")
    parser.add_argument("--name", help="what the profile or the family is called (default: as before)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: probe-KIND-ADDRESS here")
    parser.add_argument("--json", action="store_true", help="the report as JSON instead of text")


def run(arguments: argparse.Namespace) -> int:
    """Probes one device."""
    from hil.probe.run import probe

    return probe(arguments)
