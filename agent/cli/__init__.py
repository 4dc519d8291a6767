"""The `ballast` command: one table of subcommands, one small file each, imported only when it is the one asked for.

A subcommand's module has two functions:

    def add_arguments(parser: argparse.ArgumentParser) -> None     declares what it takes
    def main(arguments: argparse.Namespace) -> int                 does it; returns the exit code

Every subcommand that prints for people takes --json and prints the same as JSON. Exit codes: 0 done, 1 it could not be
done, 2 wrongly called (argparse), 78 site.toml has faults (EX_CONFIG of sysexits.h); a subcommand's own ones stand in
its --help.
"""

from typing import Final

from msgspec import Struct

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_CONFIG: Final = 78


class Subcommand(Struct, frozen=True):
    """One row of the table: all that `ballast --help` needs to know of it."""

    name: str
    module: str
    does: str
    example: str


SUBCOMMANDS: Final = (
    Subcommand("check", "agent.cli.check", "explain a site.toml, or every fault in it", "ballast check site.toml"),
    Subcommand("scan", "agent.cli.scan", "find miners and what they are", "ballast scan 10.20.1.1-10.20.1.250"),
    Subcommand("run", "agent.cli.run", "the service: control the site", "ballast run site.toml"),
    Subcommand("gpud", "agent.cli.gpud", "the service beside the GPUs: read them, set limits", "ballast gpud"),
    Subcommand("status", "agent.cli.status", "what the running agent sees and does", "ballast status"),
    Subcommand(
        "tag",
        "agent.cli.people",
        "hold a load, group, circuit, tank or contactor down",
        "ballast tag container-a --by kim --why fan-service",
    ),
    Subcommand(
        "untag", "agent.cli.people", "take a tag away", "ballast untag container-a --by kim --why fan-service-done"
    ),
    Subcommand(
        "local",
        "agent.cli.people",
        "have the agent write nothing to it, or again",
        "ballast local a-east --leave --by kim --why wiring-checked",
    ),
    Subcommand("ack", "agent.cli.people", "acknowledge a latch", "ballast ack tank-a --by kim --why condenser-cleaned"),
    Subcommand(
        "release",
        "agent.cli.people",
        "let come back what was found off",
        "ballast release a/10.20.1.17 --by kim --why repaired",
    ),
    Subcommand(
        "replay",
        "agent.cli.replay",
        "decide again from a flight recording",
        "ballast replay flights/000012-20261121T033000Z.flight",
    ),
    Subcommand("explain", "agent.cli.explain", "one event in plain sentences", "ballast explain 01KAJ4"),
    Subcommand("schema", "agent.cli.schema", "the JSON Schema of site.toml", "ballast schema > site.schema.json"),
    Subcommand("keygen", "agent.cli.keygen", "make an Ed25519 key", "ballast keygen --out agent.pem"),
    Subcommand(
        "send",
        "agent.cli.send",
        "send a signed command",
        "ballast send limit --kw 1200 --lease 15m --key dispatch.pem --url mqtts://broker.example.net:8883"
        " --site granbury-07 --agent ctl-1 --agent-key agent.pub",
    ),
    Subcommand(
        "tail",
        "agent.cli.tail",
        "print verified records as they come",
        "ballast tail --url mqtts://broker.example.net:8883 --site granbury-07 --agent ctl-1 --agent-key agent.pub",
    ),
)
