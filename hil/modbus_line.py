"""A serial line with units on it: RTU frames on a pseudo terminal, whose path is what a serial port's would be.

Source: MODBUS over Serial Line V1.02, 2.5.1 (unit, PDU, CRC-16 low byte first). A pseudo terminal has no baud rate and
no silence between frames: where a request ends is told by its function code and byte count. Bytes that make no request
are dropped with everything that came with them, as a unit drops a frame of a wrong CRC; units that are not on the line,
and those that are silent, say nothing. Faults are those of hil.modbus_server that a line can have.
"""

import asyncio
import os
import random
import time
import tty
from collections import Counter, deque
from collections.abc import Mapping

from hil.modbus_pdu import WRITING, Bank, answer, exception
from hil.modbus_server import LinkFault

_WRITES_KEPT = 10_000
_ALONE_S = 0.02
_FIXED = 8  # unit, function, two words, CRC: functions 1 to 6
_COUNTED = frozenset({15, 16})  # unit, function, two words, byte count, bytes, CRC


class ModbusLine:
    """One line; `path` is there after start()."""

    def __init__(self, banks: Mapping[int, Bank], seed: int = 0) -> None:
        self.banks = dict(banks)
        self.path = ""
        self.fault = LinkFault.NONE
        self.late_ms = 0.0
        self.functions: Counter[int] = Counter()
        self.writes: deque[tuple[int, int, bytes]] = deque(maxlen=_WRITES_KEPT)
        self._random = random.Random(seed)
        self._ours = -1
        self._held = b""

    async def start(self) -> None:
        """Opens the pseudo terminal. Its other end is not kept open: who took it for himself lets go by closing."""
        self._ours, theirs = os.openpty()
        tty.setraw(theirs)
        os.set_blocking(self._ours, False)
        self.path = os.ttyname(theirs)
        os.close(theirs)
        self._listen()

    async def stop(self) -> None:
        """The line is gone."""
        ours, self._ours = self._ours, -1
        asyncio.get_running_loop().remove_reader(ours)
        os.close(ours)

    async def set_fault(self, fault: LinkFault, ms: float = 0.0) -> None:
        """From now on this is wrong; NONE mends it."""
        if fault in (LinkFault.RESET, LinkFault.REFUSE):
            raise ValueError(f"a serial line cannot {fault}; it can be silent")
        self.fault = fault
        self.late_ms = ms

    def _listen(self) -> None:
        if self._ours >= 0:
            asyncio.get_running_loop().add_reader(self._ours, self._read)

    def _read(self) -> None:
        try:
            self._held += os.read(self._ours, 4096)
        except BlockingIOError:
            return
        except OSError:  # nobody has the other end open, and the system says so without pause
            self._held = b""
            asyncio.get_running_loop().remove_reader(self._ours)
            asyncio.get_running_loop().call_later(_ALONE_S, self._listen)
            return
        while self._held:
            size = _size(self._held)
            if size == 0:
                return  # not whole yet
            frame, self._held = self._held[:size], self._held[size:]
            if size < 0 or _crc(frame[:-2]) != frame[-2:]:
                self._held = b""
                return
            self._request(frame[0], frame[1:-2])

    def _request(self, unit: int, pdu: bytes) -> None:
        if unit not in self.banks:
            return
        self.functions[pdu[0]] += 1
        if pdu[0] in WRITING:
            self.writes.append((time.monotonic_ns(), unit, pdu))
        if self.fault is LinkFault.SILENT:
            return
        if self.fault is LinkFault.GARBAGE:
            self._send(self._random.randbytes(self._random.randint(1, 64)))
            return
        reply = exception(pdu[0], 4) if self.fault is LinkFault.EXCEPTION else answer(self.banks[unit], pdu)
        body = bytes([unit]) + reply
        if self.fault is LinkFault.LATE:
            asyncio.get_running_loop().call_later(self.late_ms / 1000, self._send, body + _crc(body))
        else:
            self._send(body + _crc(body))

    def _send(self, frame: bytes) -> None:
        try:
            os.write(self._ours, frame)
        except OSError:
            return  # nobody reads: the line is full, or closed meanwhile


def _size(held: bytes) -> int:
    """How long the request at the beginning is; 0 while that is not known or not there, -1 when it is none."""
    if len(held) < 2:
        return 0
    if 1 <= held[1] <= 6:
        size = _FIXED
    elif held[1] in _COUNTED:
        if len(held) < 7:
            return 0
        size = 9 + held[6]
    else:
        return -1
    return size if len(held) >= size else 0


def _crc(frame: bytes) -> bytes:
    """CRC-16 of Modbus, polynomial 0xA001, as it follows a frame."""
    crc = 0xFFFF
    for byte in frame:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc.to_bytes(2, "little")
