"""One probe from the command line: what was asked for, then the files and the page."""

import argparse
import contextlib
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from hil.probe.beating import beat
from hil.probe.dump import Dump
from hil.probe.failures import Declined, Failure, Unusable
from hil.probe.families import Family, State
from hil.probe.gpu import probe_gpu, turn
from hil.probe.meter import Asked, probe_modbus
from hil.probe.miner import probe_miner
from hil.probe.miner_wire import MinerLink
from hil.probe.place import MINER_PORT, MODBUS_PORT, place_of
from hil.probe.profile import write_profile
from hil.probe.progress import Progress
from hil.probe.report import Report, text
from hil.probe.step_times import step_times
from hil.probe.switching import switch
from hil.probe.watching import MeterWatch

EXIT_OK, EXIT_BAD = 0, 1


def probe(arguments: argparse.Namespace) -> int:
    """Probes one device; the exit code."""
    kind = next(kind for kind in ("meter", "plc", "miner", "gpu") if getattr(arguments, kind) is not None)
    where = getattr(arguments, kind)
    folder = arguments.out or Path(f"probe-{kind}-{re.sub(r'[^A-Za-z0-9.]+', '-', where).strip('-')}")
    progress = Progress(on=True)
    try:
        report = _PROBES[kind](where, arguments, folder, progress)
    except Failure as failure:
        progress.end()
        print(f"ballast-hil probe: {failure}", file=sys.stderr)
        return failure.exit_code
    progress.end()
    report.files += [str(folder / "report.txt"), str(folder / "report.json")]
    page, data = text(report), msgspec.json.format(msgspec.json.encode(report), indent=1)
    (folder / "report.txt").write_text(page, encoding="utf-8")
    (folder / "report.json").write_bytes(data + b"\n")
    print(data.decode() if arguments.json else page, end="\n" if arguments.json else "")
    return EXIT_BAD if report.bad else EXIT_OK


def _meter(where: str, arguments: argparse.Namespace, folder: Path, progress: Progress) -> Report:
    return _modbus("meter", where, arguments, folder, progress)


def _plc(where: str, arguments: argparse.Namespace, folder: Path, progress: Progress) -> Report:
    return _modbus("plc", where, arguments, folder, progress)


def _modbus(kind: str, where: str, arguments: argparse.Namespace, folder: Path, progress: Progress) -> Report:
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
    if arguments.actuate and kind == "meter":
        raise Unusable("a meter is only read", "leave --actuate out")
    if arguments.actuate:
        confirm(
            f"This writes the heartbeat of the PLC at {place} for some seconds, as an agent does. When it "
            "stops, the PLC will find its communication lost, as when an agent is gone.",
            yes=arguments.yes,
        )
    dump = Dump(device=str(place), unit=asked.unit, framing="rtu" if place.rtu else "mbap")
    with _dumped(dump, folder):
        report, measured = probe_modbus(asked, dump, progress, beat if arguments.actuate else None)
        dump.about |= {"profile": measured.known.sheet.name, "taken": report.taken}
        dump.snapshot = {
            "table": measured.known.reading.table,
            "registers": {str(at): f"{word:04x}" for at, word in sorted(measured.registers.items())},
            "values": measured.values,
        }
    profile = folder / f"{arguments.name or measured.known.sheet.name}.toml"
    write_profile(measured, report, arguments.name, profile)
    report.files += [str(profile), str(folder / "capture")]
    return report


def _miner(where: str, arguments: argparse.Namespace, folder: Path, progress: Progress) -> Report:
    place = place_of(where, MINER_PORT)
    if arguments.actuate:
        confirm(
            f"This puts the miner at {place} to sleep and wakes it again, {arguments.cycles} x, over some minutes. "
            "It earns nothing meanwhile, and its supply and boards go through as many stops and starts.",
            yes=arguments.yes,
        )
    start_s = time.monotonic()
    dump = Dump(device=str(place))
    report = Report("miner", str(place))
    with _dumped(dump, folder):
        link = MinerLink(place, dump, arguments.timeout)
        miner = probe_miner(link, report, progress, arguments.seconds)
        if arguments.actuate and miner.family is not None:
            _switch(link, miner.family, miner.state, report, progress, arguments, folder)
    report.seconds = time.monotonic() - start_s
    report.files.append(str(folder / "capture"))
    return report


def _switch(
    link: MinerLink,
    family: Family,
    state: State,
    report: Report,
    progress: Progress,
    arguments: argparse.Namespace,
    folder: Path,
) -> None:
    with _at_meter(arguments) as meter:
        switched = switch(link, family, report, progress, meter, arguments.cycles, arguments.settle)
    text = step_times(report, switched, arguments.name or family.name, state.rate_ths) if switched else ""
    if text:
        (folder / "step-times.toml").write_text(text, encoding="utf-8")
        report.files.append(str(folder / "step-times.toml"))


def _gpu(gpu: str, arguments: argparse.Namespace, folder: Path, progress: Progress) -> Report:
    if arguments.actuate:
        what = f"This sets the power limit of GPU {gpu} to its lowest value for a while; its jobs slow down meanwhile."
        confirm(what, yes=arguments.yes)
    nvml, report = probe_gpu(gpu, arguments.library, arguments.timeout, progress, arguments.seconds)
    if arguments.actuate:
        with _at_meter(arguments) as meter:
            turn(nvml, report, progress, meter, arguments.settle)
    folder.mkdir(parents=True, exist_ok=True)
    return report


@contextlib.contextmanager
def _at_meter(arguments: argparse.Namespace) -> Iterator[MeterWatch | None]:
    """The independent meter, where there is one."""
    if arguments.at_meter is None:
        yield None
        return
    at = place_of(arguments.at_meter, MODBUS_PORT)
    about = Report("meter", str(at))  # what is found of the meter is no finding about the device
    with MeterWatch(at, arguments.unit, arguments.profile, Dump(), about) as meter:
        yield meter


def confirm(what: str, *, yes: bool) -> None:
    """Says what will be done, and asks a person unless --yes was given."""
    print(what, file=sys.stderr)
    if yes:
        return
    print("Type yes to do it: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() != "yes":
        raise Declined("not confirmed, and nothing was switched", "type yes, or give --yes where no person is asked")


@contextlib.contextmanager
def _dumped(dump: Dump, folder: Path) -> Iterator[None]:
    """What went over the wire is kept, all the more when the probe fails."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        dump.write(folder / "capture")


_PROBES = {"meter": _meter, "plc": _plc, "miner": _miner, "gpu": _gpu}
