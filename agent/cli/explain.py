"""One event in plain sentences: what was read, which rule bound, which loads were told and what they answered, what the
meter showed, and how they came back. Under each stands the entry of the flight that it came from.

EVENT is an event's id, or its beginning, as `ballast status`, `ballast tail` and the records have it; without it the
events that flights tell of are listed. Flights are looked for in flights/ of the agent's state_dir: /var/lib/ballast,
or the one of the site.toml given with --site; or give them with --file. What is older than these is not told.

    ballast explain
    ballast explain 01KAJ4
    ballast explain 01KAJ4 --file 000012-20261121T033000Z.flight
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from agent.cli import EXIT_CONFIG, EXIT_FAILED, EXIT_OK
from agent.cli.asking import STATE_DIR
from agent.cli.instants import instant
from agent.cli.printing import print_json, print_table, printable
from agent.config import ConfigErrors, load
from agent.flight.blocks import Damaged
from agent.flight.explain import Known, Sentence, Teller, events_of
from agent.flight.reading import Flight, flights_in
from agent.flight.recorder import FOLDER
from agent.flight.scene import NoScene, Scene, scene


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `ballast explain` takes."""
    parser.add_argument("event", metavar="EVENT", nargs="?", help="an event's id, or its beginning")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--file", metavar="FLIGHT", nargs="+", help="these flights alone")
    where.add_argument("--site", metavar="SITE.TOML", help="the file that the agent was started with")
    parser.add_argument("--json", action="store_true", help="the same as JSON")


def main(arguments: argparse.Namespace) -> int:
    """Tells one event, or lists them; 1 when there is none of this name."""
    try:
        paths = _paths(arguments)
        if arguments.event is not None:
            paths = [path for path in paths if _mentions(path, arguments.event.upper())]
        known = _events(paths)
    except ConfigErrors as errors:
        print(errors, file=sys.stderr)
        return EXIT_CONFIG
    except OSError as error:
        print(f"{error.filename}: {error.strerror or error}; give flights with --file", file=sys.stderr)
        return EXIT_FAILED
    if arguments.event is None:
        _print_events(list(known.values()), as_json=arguments.json)
        return EXIT_OK
    named = [name for name in known if name.startswith(arguments.event.upper())]
    if len(named) != 1:
        what = f"{len(named)} events begin with" if named else "no flight tells of an event that begins with"
        print(f"{what} {arguments.event!r}; `ballast explain` lists those there are", file=sys.stderr)
        return EXIT_FAILED
    sentences = _tell(named[0], paths)
    if arguments.json:
        print_json({"event": known[named[0]], "sentences": sentences})
    else:
        _print(known[named[0]], sentences)
    return EXIT_OK


def _paths(arguments: argparse.Namespace) -> list[Path]:
    """The flights, the oldest first."""
    if arguments.file:
        return sorted((Path(name) for name in arguments.file), key=lambda path: path.name)
    folder = Path(load(arguments.site).site.state_dir if arguments.site else STATE_DIR) / FOLDER
    return flights_in(folder)


def _events(paths: Sequence[Path]) -> dict[str, Known]:
    """Every event that the flights tell of, the newest last. A flight that is damaged is told, and told as far as it
    goes.
    """
    found: dict[str, Known] = {}
    for path in paths:
        try:
            for known in events_of(Flight(path).entries()):
                found.setdefault(known.id, known)
        except Damaged as damaged:
            print(f"{path}: {damaged}", file=sys.stderr)
    return found


def _mentions(path: Path, text: str) -> bool:
    """Whether a flight may tell of it: a text stands in it as it is. One that is damaged may."""
    try:
        return any(text.encode() in block.payload for block in Flight(path).blocks())
    except Damaged:
        return True


def _tell(event: str, paths: Sequence[Path]) -> list[Sentence]:
    teller = Teller(event)
    sentences: list[Sentence] = []
    for path in paths:
        try:
            flight = Flight(path)
            teller.begin(flight.head.boot, _scene(flight))
            for placed in flight.entries():
                sentences += teller.feed(placed)
        except Damaged:
            continue  # told when events were looked for
    return sentences


def _scene(flight: Flight) -> Scene | None:
    try:
        return scene(flight.head)
    except (ConfigErrors, NoScene):
        return None  # another version's site.toml: what was recorded is told all the same


def _print_events(known: Sequence[Known], *, as_json: bool) -> None:
    if as_json:
        print_json({"events": known})
        return
    if not known:
        print("No flight tells of an event.")
        return
    rows = [(event.id, event.rule, event.circuit, instant(event.at_ns, event.wall_ms)) for event in known]
    print_table("Events that flights tell of", ("event", "rule", "circuit", "first told"), rows)


def _print(event: Known, sentences: Sequence[Sentence]) -> None:
    print(printable(f"Event {event.id}: {event.rule} on {event.circuit}"))
    for sentence in sentences:
        since_s = (sentence.now_ns - sentences[0].now_ns) / 1e9
        print(f"\n{instant(sentence.now_ns, sentence.wall_ms)}  +{since_s:.3f} s")
        print(f"  {printable(sentence.says)}")
        print(f"  from {sentence.file}, byte {sentence.offset}, entry {sentence.number} ({sentence.kind})")
    files = list(dict.fromkeys(sentence.file for sentence in sentences))
    if files:
        print(f"\n`ballast replay` decides it again from {', '.join(files)}.")
