"""What `ballast send` and `ballast tail` share: the way to the broker, and whose records are believed."""

import argparse
import secrets
from pathlib import Path

from agent.consume.verifying import Verifier
from agent.uplink.keyfiles import load_public
from agent.uplink.mqtt import Broker, MqttWire, broker_at
from agent.uplink.records import is_name


class OutsideError(Exception):
    """Called with something that cannot work; says what and the mend."""


def add_outside_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the broker is and whose agent is meant."""
    parser.add_argument("--url", required=True, help="the broker: mqtt://HOST:PORT or mqtts://HOST:PORT")
    parser.add_argument("--root", default="ballast", help="first part of the topics (%(default)s)")
    parser.add_argument("--site", required=True, help="the site's id")
    parser.add_argument("--agent", required=True, help="the agent's id")
    parser.add_argument("--agent-key", metavar="PUB", type=Path, required=True, help="the agent's public key (PEM)")
    parser.add_argument("--ca", type=Path, help="who signed the broker's certificate; the system's CAs if not given")
    parser.add_argument("--cert", type=Path, help="our certificate for the broker")
    parser.add_argument("--cert-key", type=Path, help="its private key, if it is not in the same file")


def verifier_of(arguments: argparse.Namespace) -> Verifier:
    """Believes this agent alone."""
    for name in (arguments.site, arguments.agent):
        if not is_name(name):
            raise OutsideError(f"{name!r} is no site's or agent's id: a-z, 0-9 and -, at most 32")
    return Verifier(arguments.root, arguments.site, arguments.agent, load_public(arguments.agent_key))


def wire_of(arguments: argparse.Namespace) -> MqttWire:
    """The way to the broker, under a name of its own each time: no two clients may have the same."""
    try:
        broker: Broker = broker_at(
            arguments.url, f"ballast-{secrets.token_hex(6)}", arguments.ca, arguments.cert, arguments.cert_key
        )
    except ValueError as error:
        raise OutsideError(str(error)) from error
    return MqttWire(broker)


def topics_of(arguments: argparse.Namespace, *channels: str) -> list[str]:
    return [f"{arguments.root}/v1/{arguments.site}/{arguments.agent}/{channel}" for channel in channels]
