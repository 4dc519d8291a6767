"""One probe from the command line: what was asked for, then the files and the page."""

import argparse
import re
import sys
from pathlib import Path

import msgspec

from hil.probe.dump import Dump
from hil.probe.failures import Failure
from hil.probe.meter import Asked, probe_modbus
from hil.probe.place import MODBUS_PORT, place_of
from hil.probe.profile import write_profile
from hil.probe.progress import Progress
from hil.probe.report import Report, text

EXIT_OK, EXIT_BAD = 0, 1


def probe(arguments: argparse.Namespace) -> int:
    """Probes one device; the exit code."""
    kind = next(kind for kind in ("meter", "plc", "miner", "gpu") if getattr(arguments, kind) is not None)
    where = getattr(arguments, kind)
    folder = arguments.out or Path(f"probe-{kind}-{re.sub(r'[^A-Za-z0-9.]+', '-', where).strip('-')}")
    try:
        report = _modbus(kind, where, arguments, folder)
    except Failure as failure:
        print(f"ballast-hil probe: {failure}", file=sys.stderr)
        return failure.exit_code
    report.files += [str(folder / "report.txt"), str(folder / "report.json")]
    page, data = text(report), msgspec.json.format(msgspec.json.encode(report), indent=1)
    (folder / "report.txt").write_text(page, encoding="utf-8")
    (folder / "report.json").write_bytes(data + b"\n")
    print(data.decode() if arguments.json else page, end="\n" if arguments.json else "")
    return EXIT_BAD if report.bad else EXIT_OK


def _modbus(kind: str, where: str, arguments: argparse.Namespace, folder: Path) -> Report:
    place = place_of(where, MODBUS_PORT)
    asked = Asked(
        kind=kind,
        place=place,
        unit=arguments.unit,
        profile=arguments.profile,
        nominal_ln_v=arguments.nominal_v,
        seconds=arguments.seconds,
        timeout_s=arguments.timeout,
    )
    dump = Dump(device=str(place), unit=asked.unit, framing="rtu" if place.rtu else "mbap")
    report, measured = probe_modbus(asked, dump, Progress(on=True))
    dump.about |= {"profile": measured.known.sheet.name, "taken": report.taken}
    folder.mkdir(parents=True, exist_ok=True)
    profile = folder / f"{arguments.name or measured.known.sheet.name}.toml"
    write_profile(measured, report, arguments.name, profile)
    report.files += [str(profile), *map(str, dump.write(folder / "capture"))]
    return report
