"""Every byte that went out and came back, so that what was measured becomes a capture that tests can replay.

A Modbus dump is `exchanges.jsonl`: first a line that says what was asked ("device", "unit", "framing", "taken"), then
one line for each exchange: {"t_ms": since the start, "ask": hex, "answer": hex or null, "ms": how long, "why": what
went wrong}; and `registers.json`, the newest registers with what was made of them, as tests/captures/modbus has them.

A miner's dump is the form of tests/captures/miners: one file for each reply as it came, byte for byte, and
`requests.tsv` that pairs them with their requests.

Look through a miner's dump before it is given away: replies may hold MAC addresses, serial numbers and pool users.
"""

import json
import time
from pathlib import Path
from typing import Any

_EXCHANGES_MAX = 50_000  # an hour of measuring at 10 a second and more; what comes after is counted and not kept


class Dump:
    """Kept in memory until write()."""

    def __init__(self, **about: Any) -> None:
        self.about = about
        self.snapshot: dict[str, Any] = {}
        self.dropped = 0
        self._start_ns = time.monotonic_ns()
        self._exchanges: list[tuple[bytes, bytes, int, int, str]] = []
        self._replies: dict[str, tuple[bytes, bytes]] = {}

    def exchange(self, ask: bytes, answer: bytes, asked_ns: int, why: str = "") -> None:
        """One request and what came."""
        if len(self._exchanges) >= _EXCHANGES_MAX:
            self.dropped += 1
            return
        self._exchanges.append((ask, answer, asked_ns, time.monotonic_ns(), why))

    def reply(self, file: str, request: bytes, reply: bytes) -> None:
        """A miner's reply that gets a file of its own; the first of a name is kept."""
        self._replies.setdefault(file, (request, reply))

    def write(self, folder: Path) -> list[Path]:
        """Makes the files; which."""
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        if self._exchanges:
            written.append(folder / "exchanges.jsonl")
            with written[-1].open("w", encoding="utf-8") as file:
                file.write(json.dumps(self.about | {"not_kept": self.dropped}) + "\n")
                file.writelines(json.dumps(self._row(*row)) + "\n" for row in self._exchanges)
        if self._replies:
            rows = ["# reply file\trequest bytes sent (one TCP segment, no terminator)\treply bytes incl. NUL"]
            for name, (request, reply) in self._replies.items():
                (folder / name).write_bytes(reply)
                rows.append(f"{name}\t{request.decode('utf-8', 'backslashreplace')}\t{len(reply)}")
            written.append(folder / "requests.tsv")
            written[-1].write_text("\n".join(rows) + "\n", encoding="utf-8")
        if self.snapshot:
            written.append(folder / "registers.json")
            written[-1].write_text(json.dumps(self.about | self.snapshot, indent=1) + "\n", encoding="utf-8")
        return written

    def _row(self, ask: bytes, answer: bytes, asked_ns: int, ended_ns: int, why: str) -> dict[str, Any]:
        row: dict[str, Any] = {
            "t_ms": round((asked_ns - self._start_ns) / 1e6, 3),
            "ask": ask.hex(),
            "answer": answer.hex() or None,
            "ms": round((ended_ns - asked_ns) / 1e6, 3),
        }
        return row | ({"why": why} if why else {})
