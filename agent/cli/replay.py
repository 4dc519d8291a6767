"""Decides again from a flight: every decision of the recording, from the same readings, with the same rules.

A flight is a file of the recorder, in the agent's state_dir under flights/. It holds the site.toml that was in force,
so any machine with this program can replay it. Each decision's setpoints, notes and durable state must come out the
same, to the last bit; what does not is printed with its instant, and the exit code is 1.

With --rules the same readings are put to other rules: a whole site.toml, or a file of [[rule]] tables alone that take
the place of the recorded ones. The table shows when each would have shed, and how much, beside what did happen. The
plant does not answer to the new decisions: meter, read-backs and answers stay those of the recording.

    ballast replay /var/lib/ballast/flights/000012-20261121T033000Z.flight
    ballast replay 000012-20261121T033000Z.flight --print-site > new.toml
    ballast replay 000012-20261121T033000Z.flight --rules new.toml
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from agent.cli import EXIT_CONFIG, EXIT_FAILED, EXIT_OK
from agent.cli.instants import instant
from agent.cli.printing import kw, print_json, print_table
from agent.config import ConfigErrors
from agent.flight.blocks import Damaged
from agent.flight.compare import Row, Shed, compare
from agent.flight.entries import Entry
from agent.flight.reading import Flight
from agent.flight.replay import Decider, Difference
from agent.flight.scene import NoScene, Scene, other_scene, scene
from agent.version import VERSION

_SHOWN_MAX: Final = 20
_UNANSWERED: Final = (
    "The plant did not answer to the new decisions: readings, read-backs and the meter are those of the recording.",
    "Up to the first row that differs all is exact; behind it, it is what would have been told, not what came of it.",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `ballast replay` takes."""
    parser.add_argument("file", metavar="FILE", help="a flight")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--rules", metavar="NEW.TOML", help="what these rules would have done with the same readings")
    what.add_argument("--print-site", action="store_true", help="print the site.toml that was in force, and no more")
    parser.add_argument("--json", action="store_true", help="the same as JSON")


def main(arguments: argparse.Namespace) -> int:
    """Replays one file; 1 when something came out otherwise, or when the file cannot be trusted."""
    try:
        flight = Flight(Path(arguments.file))
        if arguments.print_site:
            sys.stdout.write(flight.head.text)
            return EXIT_OK
        was = scene(flight.head)
        if arguments.rules is None:
            return _replay(flight, was, as_json=arguments.json)
        other = other_scene(flight.head, Path(arguments.rules).read_text(encoding="utf-8"))
        return _compare(flight, was, other, as_json=arguments.json)
    except ConfigErrors as errors:
        print(f"{arguments.rules or 'the recorded site.toml'} is refused by version {VERSION}:", file=sys.stderr)
        print(errors, file=sys.stderr)
        return EXIT_CONFIG
    except (Damaged, NoScene, UnicodeDecodeError) as error:
        about = arguments.rules if isinstance(error, NoScene | UnicodeDecodeError) else arguments.file
        print(f"{about}: {error}", file=sys.stderr)
    except OSError as error:
        print(f"{error.filename}: {error.strerror or error}", file=sys.stderr)
    return EXIT_FAILED


def _entries(flight: Flight) -> Iterator[Entry]:
    return (placed.entry for placed in flight.entries())


def _replay(flight: Flight, was: Scene, *, as_json: bool) -> int:
    decider = Decider(was)
    instants = [decided.entry.now_ns for decided in decider.feed(_entries(flight))]
    differences = decider.differences
    same = bool(instants) and not differences
    if as_json:
        print_json(
            {
                **_about(flight),
                "identical": same,
                "decisions": decider.decisions,
                "stands": decider.stands,
                "not_decided": decider.skipped,
                "lost": decider.lost,
                "differences": differences,
            }
        )
        return EXIT_OK if same else EXIT_FAILED
    _print_head(flight)
    print("\n".join(_came_to(decider, instants)))
    _print_differences(differences)
    return EXIT_OK if same else EXIT_FAILED


def _came_to(decider: Decider, instants: Sequence[int]) -> Iterator[str]:
    if not instants:
        yield "Nothing in it can be decided again: it ends before the first whole state."
        return
    over_s = (instants[-1] - instants[0]) / 1e9
    if decider.differences:
        yield f"{len(decider.differences)} DIFFERENCES in {decider.decisions} decisions over {over_s:.1f} s."
    else:
        yield f"Identical: {decider.decisions} decisions over {over_s:.1f} s, setpoints, notes and durable state."
    yield f"The whole state was compared {decider.stands - 1} times."
    if decider.skipped:
        yield f"{decider.skipped} decisions could not be made again: before the first whole state, or after a loss."
    if decider.lost:
        yield f"{decider.lost} entries are missing: memory was full, most likely because the disk hung."


def _print_differences(differences: Sequence[Difference]) -> None:
    for one in differences[:_SHOWN_MAX]:
        print(f"\n{instant(one.now_ns, one.wall_ms)}  {one.what}")
        print(f"  recorded  {one.recorded}")
        print(f"  replayed  {one.replayed}")
    if len(differences) > _SHOWN_MAX:
        print(f"\n{len(differences) - _SHOWN_MAX} more with --json")


def _compare(flight: Flight, was: Scene, other: Scene, *, as_json: bool) -> int:
    rows = compare(_entries(flight), was, other)
    if as_json:
        print_json({**_about(flight), "sheds": rows, "note": " ".join(_UNANSWERED)})
        return EXIT_OK
    _print_head(flight)
    print_table(
        "Sheds: what was told, and what these rules would have told (kW)",
        ("at", "rule", "circuit", "did", "would have"),
        [_cells(row) for row in rows],
    )
    part = next((row for row in rows if row.did != row.would), None)
    if not rows:
        print("Neither shed anything.")
    elif part is None:
        print("These rules would have done the same.")
    else:
        print(f"They part at {instant(part.now_ns, part.wall_ms)}.")
    print("\n".join(_UNANSWERED))
    return EXIT_OK


def _cells(row: Row) -> tuple[str, ...]:
    at = instant(row.now_ns, row.wall_ms)
    return at, row.rule, row.circuit, _shed(row.did), _shed(row.would)


def _shed(shed: Shed | None) -> str:
    if shed is None:
        return "nothing"
    loads = f"{shed.loads} load{'' if shed.loads == 1 else 's'}"
    return f"{loads}, observed only" if shed.watts is None else f"{loads}, {kw(shed.watts)}"


def _about(flight: Flight) -> dict[str, object]:
    head = flight.head
    return {
        "file": str(flight.path),
        "site": head.site,
        "agent": head.agent,
        "recorded_by": head.agent_version,
        "replayed_by": VERSION,
        "site_toml_sha256": head.sha256,
        "made_ms": head.made_ms,
        "torn_at": flight.torn_at,
    }


def _print_head(flight: Flight) -> None:
    head = flight.head
    print(f"{flight.path.name}: {head.site}, agent {head.agent}, begun {instant(head.made_ns, head.made_ms)}")
    print(f"site.toml sha256 {head.sha256[:16]}, recorded by version {head.agent_version}, replayed by {VERSION}")
    if flight.torn_at is not None:
        print(f"It ends in the middle of a block, at byte {flight.torn_at}: the agent or the machine ended there.")
    print()
