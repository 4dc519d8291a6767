"""NVML by ctypes: the few calls of libnvidia-ml.so.1 that a probe of one GPU makes. Source: NVIDIA's nvml.h (API 13).

A driver that is sick can keep a call for ever. Calls are therefore made in a thread that nobody has to wait for: after
`patience_s` the caller is told that the driver is silent, and the thread is left behind.
"""

import ctypes
import queue
import threading
from collections.abc import Callable
from typing import Any

from hil.probe.failures import Failure, Refused, Silent, Unreachable

OK, NO_PERMISSION, LOST = 0, 4, 15
ABSENT = (3, 13, 25)  # not supported, function not found, argument version mismatch
FIELD_POWER_INSTANT = 186
_TEXT = 96
_TEXTS = {
    1: "not initialised",
    2: "invalid argument",
    3: "not supported",
    4: "no permission",
    6: "not found",
    9: "the driver is not loaded",
    13: "function not found",
    15: "the GPU is lost",
    16: "a reset is required",
    17: "the operating system blocks it",
    18: "driver and library have different versions",
    25: "argument version mismatch",
    999: "unknown error",
}


class NvmlError(Exception):
    """A call's code."""

    def __init__(self, function: str, code: int) -> None:
        super().__init__(f"{_TEXTS.get(code, 'an error')} (NVML code {code})")
        self.function = function
        self.code = code


class _Field(ctypes.Structure):
    _fields_ = (
        ("field", ctypes.c_uint),
        ("scope", ctypes.c_uint),
        ("stamp", ctypes.c_longlong),
        ("latency", ctypes.c_longlong),
        ("kind", ctypes.c_int),
        ("result", ctypes.c_int),
        ("value", ctypes.c_uint64),
    )


class _Rates(ctypes.Structure):
    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class Nvml:
    """The library and one GPU of it."""

    def __init__(self, gpu: str, library: str | None, patience_s: float) -> None:
        self._patience_s = patience_s
        self._work: queue.SimpleQueue[tuple[Callable[[], Any], queue.SimpleQueue[Any]]] = queue.SimpleQueue()
        threading.Thread(target=self._worker, name="nvml", daemon=True).start()
        try:
            self._library = ctypes.CDLL(library or "libnvidia-ml.so.1")
        except OSError as error:
            mend = "install NVIDIA's driver, or name its library by --library"
            raise Unreachable("there is no NVIDIA library here (libnvidia-ml.so.1)", mend) from error
        self._handle = ctypes.c_void_p()
        try:
            self._call("nvmlInitWithFlags", 0)
            if gpu.isdigit():
                self._call("nvmlDeviceGetHandleByIndex_v2", int(gpu), ctypes.byref(self._handle))
            else:
                self._find(gpu)
        except NvmlError as error:
            raise failure_of(error, gpu) from error

    def _find(self, uuid: str) -> None:
        count = ctypes.c_uint()
        self._call("nvmlDeviceGetCount_v2", ctypes.byref(count))
        for index in range(count.value):
            self._call("nvmlDeviceGetHandleByIndex_v2", index, ctypes.byref(self._handle))
            if self.text("nvmlDeviceGetUUID") == uuid:
                return
        raise NvmlError("nvmlDeviceGetUUID", 6)

    def driver(self) -> str:
        """The driver's version."""
        text = ctypes.create_string_buffer(_TEXT)
        self._call("nvmlSystemGetDriverVersion", text, _TEXT)
        return text.value.decode("utf-8", "replace")

    def text(self, function: str) -> str:
        """A text of the GPU."""
        text = ctypes.create_string_buffer(_TEXT)
        self._call(function, self._handle, text, _TEXT)
        return text.value.decode("utf-8", "replace")

    def number(self, function: str, *before: int, wide: bool = False) -> int:
        """One number of the GPU; `before` are the arguments between."""
        value = ctypes.c_ulonglong() if wide else ctypes.c_uint()
        self._call(function, self._handle, *before, ctypes.byref(value))
        return value.value

    def pair(self, function: str) -> tuple[int, int]:
        """Two numbers of the GPU."""
        low, high = ctypes.c_uint(), ctypes.c_uint()
        self._call(function, self._handle, ctypes.byref(low), ctypes.byref(high))
        return low.value, high.value

    def busy_percent(self) -> int:
        """How busy it is."""
        rates = _Rates()
        self._call("nvmlDeviceGetUtilizationRates", self._handle, ctypes.byref(rates))
        return int(rates.gpu)

    def field(self, field: int) -> int:
        """A field value, which carries a code of its own."""
        asked = _Field(field=field)
        self._call("nvmlDeviceGetFieldValues", self._handle, 1, ctypes.byref(asked))
        if asked.result != OK:
            raise NvmlError("nvmlDeviceGetFieldValues", asked.result)
        return int(asked.value) & 0xFFFF_FFFF  # an unsigned int of mW

    def set_limit(self, milliwatts: int) -> None:
        """The one thing that is written."""
        self._call("nvmlDeviceSetPowerManagementLimit", self._handle, milliwatts)

    def _call(self, function: str, *arguments: Any) -> None:
        try:
            found = getattr(self._library, function)
        except AttributeError as error:
            raise NvmlError(function, 13) from error
        answer: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._work.put((lambda: found(*arguments), answer))
        try:
            code = answer.get(timeout=self._patience_s)
        except queue.Empty as error:
            what = f"the driver has not come back from {function} for {self._patience_s:g} s"
            raise Silent(what, "look at dmesg for an Xid; a hung driver wants a reboot") from error
        if code != OK:
            raise NvmlError(function, code)

    def _worker(self) -> None:
        while True:
            call, answer = self._work.get()
            answer.put(call())


def failure_of(error: NvmlError, gpu: str) -> Failure:
    """An error that ends the probe."""
    if error.code in (2, 6):
        return Unreachable(f"there is no GPU {gpu!r} ({error})", "nvidia-smi -L lists numbers and UUIDs")
    if error.code == NO_PERMISSION:
        return Refused(f"GPU {gpu}: {error}", "add yourself to the group that owns /dev/nvidia*, or use sudo")
    if error.code in (LOST, 16):
        return Silent(f"GPU {gpu}: {error}", "it fell off the bus: reset it or reboot")
    return Unreachable(f"GPU {gpu}: {error}", "is the driver loaded, and was it not just replaced (nvidia-smi)?")
