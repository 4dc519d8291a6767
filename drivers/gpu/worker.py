"""The NVML worker: the one process that calls the driver. It may hang or die; nobody waits for it without a deadline.

It talks frames (orders.py) over the socket that is its standard input, one order at a time, and ends when that ends or
when its parent does. One thread does the orders; another waits for the driver's error events (XID), which are told with
the next answer to a Look.

    python -m drivers.gpu.worker        started by supervisor.py alone
"""

import ctypes
import os
import signal
import socket
import sys
import threading
from collections import deque
from typing import Any

import pynvml
from msgspec.structs import replace

from drivers.gpu.frames import FrameSplitter, frame
from drivers.gpu.nvml import Gpus
from drivers.gpu.orders import Answer, Apply, Enumerate, Look, Order, XidSeen

_WAIT_MS = 1000
_PR_SET_PDEATHSIG = 1
_XIDS_MAX = 64  # of one answer; the oldest are dropped


class Xids:
    """The driver's error events, waited for in a thread of their own."""

    def __init__(self) -> None:
        self.seen: deque[XidSeen] = deque(maxlen=_XIDS_MAX)
        self._pause = threading.Event()

    def begin(self, handles: dict[str, Any]) -> None:
        """Wait for the events of these GPUs from now on."""
        try:
            events = pynvml.nvmlEventSetCreate()
        except pynvml.NVMLError:
            return
        addresses = {}
        for uuid, handle in handles.items():
            try:
                if pynvml.nvmlDeviceGetSupportedEventTypes(handle) & pynvml.nvmlEventTypeXidCriticalError:
                    pynvml.nvmlDeviceRegisterEvents(handle, pynvml.nvmlEventTypeXidCriticalError, events)
                    addresses[_address(handle)] = uuid
            except pynvml.NVMLError:
                continue  # this GPU's loss is then told by its readings alone
        if addresses:
            threading.Thread(target=self._wait, args=(events, addresses), name="xid", daemon=True).start()

    def take(self) -> tuple[XidSeen, ...]:
        """What came since the last time."""
        return tuple(self.seen.popleft() for _ in range(len(self.seen)))

    def _wait(self, events: Any, addresses: dict[int, str]) -> None:
        while True:
            try:
                event = pynvml.nvmlEventSetWait_v2(events, _WAIT_MS)
            except pynvml.NVMLError as error:
                if error.value != pynvml.NVML_ERROR_TIMEOUT:
                    self._pause.wait(_WAIT_MS / 1000)  # a driver in trouble answers at once, over and over
                continue
            if event.eventType & pynvml.nvmlEventTypeXidCriticalError:
                self.seen.append(XidSeen(addresses.get(_address(event.device), ""), event.eventData))


def obey(gpus: Gpus, xids: Xids, order: Order) -> Answer:
    """Do one order."""
    if isinstance(order, Look):
        return replace(gpus.look(order.uuid), xids=xids.take())
    if isinstance(order, Apply):
        return gpus.apply(order)
    enumerated = gpus.enumerate()
    if enumerated.health == "ok":
        xids.begin(gpus.handles())
    return enumerated


def main() -> None:
    """Serve until the supervisor is gone."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the supervisor ends us
    gpus, xids = Gpus(), Xids()
    splitter = FrameSplitter(Enumerate | Look | Apply, "supervisor")
    with socket.socket(fileno=sys.stdin.fileno()) as supervisor:
        while data := supervisor.recv(1 << 16):
            for order in splitter.feed(data):
                supervisor.sendall(frame(obey(gpus, xids, order)))
    os._exit(0)  # not by the interpreter's end: that would wait for a thread inside the driver


def _address(handle: Any) -> int:
    return ctypes.cast(handle, ctypes.c_void_p).value or 0


if __name__ == "__main__":
    main()
