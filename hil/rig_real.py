"""Drivers of real equipment, as far as a rig may go: meters and miners are read, the bench's own relays are switched.

Not possible, and said so by `lacks` (hil/rig_whole.py) where a scenario asks for it: making a real meter show
something, making a real miner lie, stamping when a real miner read a verb, counting what a real device was asked.
"""

import json
import math
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from hil.meter import load_layout
from hil.rig_modbus import ModbusClient, read_quantities

_ANSWER_S = 2.0
_BYTES_MAX = 1 << 20
_RATES = ("MHS 5s", "GHS 5s", "MHS av", "GHS av", "THS RT", "HS RT")  # what families call their newest hash rate
_AT_ONCE = 16
_FOLLOW_S = 0.1


class RealMeter:
    """A meter at an address; it answers `watts` and `hertz` by its layout."""

    def __init__(self, at: str, unit_id: int, layout: str) -> None:
        self._client = ModbusClient(at, unit_id)
        self._layout = load_layout(layout)

    def read(self) -> dict[str, float]:
        """watts and hertz now."""
        return read_quantities(self._client, self._layout, ("watts", "hertz"))

    def close(self) -> None:
        """Nothing is open."""
        self._client.close()


class Follower:
    """Has a stand-in show what a real meter measures; nothing ("nan") while that one does not answer."""

    def __init__(self, meter: RealMeter, show: Callable[[float | str], None]) -> None:
        self.watts = math.nan
        self._meter = meter
        self._show = show
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="follow", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        self._meter.close()

    def _follow(self) -> None:
        while not self._ended.wait(_FOLLOW_S):
            try:
                self.watts = self._meter.read()["watts"]
            except OSError:
                self.watts = math.nan
            self._show(self.watts if math.isfinite(self.watts) else "nan")


class RealRelay:
    """Coils of the bench's own relay or PLC; what was switched on is switched off again at the end."""

    def __init__(self, at: str, unit_id: int) -> None:
        self._client = ModbusClient(at, unit_id)
        self._on: set[int] = set()

    def switch(self, coil: int, on: bool) -> None:
        """Energises a coil, or not."""
        self._client.write_coil(coil, on)
        (self._on.add if on else self._on.discard)(coil)

    def close(self) -> None:
        """As it was found: nothing broken."""
        try:
            for coil in sorted(self._on):
                self._client.write_coil(coil, False)
        finally:
            self._client.close()


class RealMiners:
    """Miners read by `summary` of the cgminer family's TCP API: {"command":"summary"}, one connection each."""

    def __init__(self, hosts: Sequence[str], port: int) -> None:
        self._hosts = tuple(hosts)
        self._port = port

    def running(self) -> tuple[str, ...]:
        """The addresses of those that hash; one that does not answer does not count as running."""
        with ThreadPoolExecutor(min(_AT_ONCE, len(self._hosts))) as pool:
            rates = list(pool.map(self._rate, self._hosts))
        return tuple(host for host, rate in zip(self._hosts, rates, strict=True) if rate is not None and rate > 0)

    def _rate(self, host: str) -> float | None:
        """Its hash rate in whatever unit; None without an answer that has one."""
        try:
            with socket.create_connection((host, self._port), _ANSWER_S) as connection:
                connection.sendall(b'{"command":"summary"}')
                answer = b""
                while len(answer) < _BYTES_MAX and (data := connection.recv(4096)):
                    answer += data
            return summary_rate(answer)
        except (OSError, ValueError):
            return None


def summary_rate(answer: bytes) -> float | None:
    """The newest hash rate in the answer to `summary`; some firmware ends it with NUL. ValueError: not JSON."""
    body = json.loads(answer.rstrip(b"\0\n "))
    rows = body.get("SUMMARY") if isinstance(body, dict) else None
    if not isinstance(rows, list) or not rows or not isinstance(rows[0], dict):
        return None
    return next((float(rows[0][name]) for name in _RATES if name in rows[0]), None)
