"""What people on site do, by the agent's local socket alone: no message from outside can do any of it.

    tag       a named person's durable hold on TARGET: nothing of it is raised until `untag`. Not isolation
    untag     takes it away
    local     nothing but a heartbeat is written to TARGET, until `local --leave`
    ack       a tank that tripped too often, or a contactor with a fault, may work again
    release   what was found off, and was not lowered by the agent, comes back by ramp

TARGET is the id of a load, a group of loads ([[miners]], [[gpus]]), a circuit, a tank or a contactor. Who, and why, is
on the disk before it has an effect, and is published. The socket is found as `ballast status` finds it.
"""

import argparse
import sys
from typing import Final

from agent.cli import EXIT_CONFIG, EXIT_FAILED, EXIT_OK
from agent.cli.asking import NoAgent, add_socket_arguments, ask_agent, paths_of
from agent.cli.printing import print_json, printable
from agent.config import ConfigErrors

LEAVES: Final = ("local",)  # what is left again by the same verb with --leave


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What each of these takes; which one it is stands last in the parser's name."""
    verb = parser.prog.split()[-1]
    parser.add_argument("target", metavar="TARGET", help="a load, group, circuit, tank or contactor")
    parser.add_argument("--by", metavar="NAME", required=True, help="who does it")
    parser.add_argument("--why", metavar="TEXT", required=True, help="what for")
    if verb in LEAVES:
        parser.add_argument("--leave", action="store_true", help="the agent may write to it again")
    add_socket_arguments(parser)
    parser.add_argument("--json", action="store_true", help="as the agent answers")
    parser.set_defaults(verb=verb, leave=False)


def main(arguments: argparse.Namespace) -> int:
    """Asks for it and prints what was done; 1 when it was not."""
    question: dict[str, object] = {
        "ask": arguments.verb,
        "target": arguments.target,
        "by": arguments.by,
        "why": arguments.why,
    }
    if arguments.leave:
        question["leave"] = True
    try:
        answer = ask_agent(paths_of(arguments), question)
    except ConfigErrors as errors:
        print(errors, file=sys.stderr)
        return EXIT_CONFIG
    except NoAgent as error:
        print(f"ballast {arguments.verb}: {error}", file=sys.stderr)
        return EXIT_FAILED
    if arguments.json:
        print_json(answer)
    else:
        print(printable(str(answer.get("done") or "done")))
    return EXIT_OK
