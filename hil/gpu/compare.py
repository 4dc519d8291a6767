"""Whether gpud's readings agree with nvidia-smi's, for a machine with real GPUs: `python -m hil.gpu.compare`.

Both read the same driver, at different instants: gpud's answer is taken before and after each run of nvidia-smi, and a
value agrees when nvidia-smi's lies between the two, give or take its own resolution and what the value may move in a
reading's age (RESOLUTION). Power moves with the job: compare on an idle machine, or under a steady one.

It speaks gpud's protocol by its description alone (drivers/gpu/messages.py), sharing no code with it. Prints one line
per GPU and value; exit status 0 when all agree, 1 when not, 2 when one of the two could not be asked.
"""

import argparse
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import msgspec

# nvidia-smi's query, gpud's field, and by how much they may differ beyond what the two gpud readings span.
RESOLUTION = (
    ("power.draw.instant", "power_w", 5.0),
    ("power.limit", "limit_w", 0.01),
    ("enforced.power.limit", "limit_w_enforced", 0.01),
    ("utilization.gpu", "busy_percent", 5.0),
    ("temperature.gpu", "temperature_c", 1.0),
    ("temperature.memory", "memory_temperature_c", 1.0),
    ("clocks.sm", "sm_mhz", 30.0),
    ("clocks.mem", "memory_mhz", 30.0),
)
_LENGTH = struct.Struct(">I")


class Asked:
    """One conversation with a gpud."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(5.0)
        self._socket.connect(path)
        greeted = self.ask({"type": "hello", "versions": [1], "name": "compare"})
        if greeted.get("type") != "welcome":
            raise ConnectionError(f"gpud: {greeted.get('why', greeted)}")

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """One question and its answer."""
        body = msgspec.msgpack.encode(message)
        self._socket.sendall(_LENGTH.pack(len(body)) + body)
        (size,) = _LENGTH.unpack(self._receive(_LENGTH.size))
        answer = msgspec.msgpack.decode(self._receive(size))
        if not isinstance(answer, dict):
            raise ConnectionError("gpud: an answer that is no map")
        return answer

    def readings(self) -> dict[str, dict[str, Any]]:
        """Every GPU's newest reading, by UUID."""
        return {gpu["uuid"]: gpu for gpu in self.ask({"type": "read", "id": 1})["gpus"]}

    def close(self) -> None:
        """End it."""
        self._socket.close()

    def _receive(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self._socket.recv(size - len(data))
            if not more:
                raise ConnectionError("gpud ended the connection")
            data += more
        return data


def smi(command: str) -> dict[str, dict[str, float | None]]:
    """What nvidia-smi says of every GPU, by UUID; None where it says that it doesn't know."""
    query = ",".join(["uuid", *(name for name, _, _ in RESOLUTION)])
    text = subprocess.run(
        [command, f"--query-gpu={query}", "--format=csv,noheader,nounits"], check=True, capture_output=True, text=True
    ).stdout
    rows = (line.split(", ") for line in text.splitlines() if line.strip())
    return {
        row[0]: {name: _number(text) for (name, _, _), text in zip(RESOLUTION, row[1:], strict=True)} for row in rows
    }


def disagreements(
    before: dict[str, dict[str, Any]],
    theirs: dict[str, dict[str, float | None]],
    after: dict[str, dict[str, Any]],
) -> list[str]:
    """Where the two differ, in words."""
    found = [f"{uuid}: only one of the two knows it" for uuid in theirs.keys() ^ after.keys()]
    for uuid in sorted(theirs.keys() & before.keys() & after.keys()):
        for name, field, give in RESOLUTION:
            spans = [ours[uuid].get(field) for ours in (before, after)]
            value = theirs[uuid][name]
            known = [span for span in spans if span is not None]
            if value is None or not known:
                if (value is None) != (not known):
                    found.append(f"{uuid} {name}: nvidia-smi {value}, gpud {known}")
            elif not min(known) - give <= value <= max(known) + give:
                found.append(f"{uuid} {name}: nvidia-smi {value}, gpud {min(known)} to {max(known)}, give {give}")
    return found


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None  # "[N/A]", "[Not Supported]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Compares a few times and prints what differs."""
    parser = argparse.ArgumentParser(prog="python -m hil.gpu.compare", description="gpud against nvidia-smi.")
    parser.add_argument("--socket", default="/run/ballast/gpud.sock")
    parser.add_argument("--nvidia-smi", default="nvidia-smi")
    parser.add_argument("--times", type=int, default=10)
    asked = parser.parse_args(arguments)
    found: list[str] = []
    compared = 0
    try:
        gpud = Asked(asked.socket)
        for _ in range(asked.times):
            before = gpud.readings()
            theirs = smi(asked.nvidia_smi)
            time.sleep(1.0)  # two of gpud's looks: the one after nvidia-smi's is certainly in
            found += disagreements(before, theirs, gpud.readings())
            compared += len(theirs) * len(RESOLUTION)
        gpud.close()
    except (OSError, subprocess.SubprocessError) as error:
        print(error, file=sys.stderr)
        return 2
    for line in found:
        print(line)
    print(f"{compared} values compared, {len(found)} disagree")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
