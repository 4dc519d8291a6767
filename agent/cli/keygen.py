"""Makes an Ed25519 key: PKCS#8 PEM with mode 0600 in F, the public half in F.pub. No existing key is overwritten.

Prints the fingerprint, which two people compare when a key is enrolled, and the entry that makes an issuer of it in the
agent's keyring file (docs/wire.md section 7).
"""

import argparse
import json
import sys
from pathlib import Path
from typing import get_args

from agent.cli import EXIT_FAILED, EXIT_OK
from agent.cli.printing import print_json
from agent.uplink.keyfiles import KeyFileError, make_key, public_path
from agent.uplink.keyring import Role, entry_for
from agent.uplink.records import is_name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `ballast keygen` takes."""
    parser.add_argument("--out", metavar="F", type=Path, required=True, help="the private key's file; F.pub beside it")
    parser.add_argument("--issuer", default="dispatch", help="whose key it is, for the keyring entry (%(default)s)")
    parser.add_argument(
        "--roles", default="curtail", help="its roles, with commas between: curtail,restore,operate (%(default)s)"
    )
    parser.add_argument(
        "--scope", default="site", help="circuits it may command, with commas between (%(default)s: all)"
    )
    parser.add_argument("--json", action="store_true", help="the same as JSON")


def main(arguments: argparse.Namespace) -> int:
    """Makes one key."""
    roles, scope = tuple(arguments.roles.split(",")), tuple(arguments.scope.split(","))
    if not is_name(arguments.issuer):
        print(f"ballast keygen: --issuer {arguments.issuer}: a-z, 0-9 and -, at most 32", file=sys.stderr)
        return EXIT_FAILED
    if unknown := set(roles) - set(get_args(Role)):
        names = ", ".join(get_args(Role))
        print(f"ballast keygen: --roles {', '.join(sorted(unknown))}: known are {names}", file=sys.stderr)
        return EXIT_FAILED
    try:
        signer = make_key(arguments.out)
    except KeyFileError as error:
        print(f"ballast keygen: {error}", file=sys.stderr)
        return EXIT_FAILED
    public = signer.public
    entry = entry_for(public, arguments.issuer, roles, scope)
    if arguments.json:
        files = {"key": str(arguments.out), "public": str(public_path(arguments.out))}
        print_json({**files, "kid": public.kid.hex(), "fingerprint": public.fingerprint, "entry": entry})
    else:
        print(f"key          {arguments.out} (mode 0600; it never leaves this machine)")
        print(f"public key   {public_path(arguments.out)}")
        print(f"fingerprint  {public.fingerprint}")
        print("as an issuer's entry in an agent's keyring file:")
        print(json.dumps(entry))
    return EXIT_OK
