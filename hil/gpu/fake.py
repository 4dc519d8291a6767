"""The fake driver's control: makes the library and its state, and does to its GPUs whatever a sick driver does.

    driver = FakeDriver(folder, gpus=4)
    subprocess.Popen(["ballast", "gpud", ...], env=os.environ | driver.environment())
    driver.hang("nvmlDeviceGetFieldValues", gpu=2)

The state is a file that this and the library map; what is written here is seen at the library's next call. The
structures are those of fake_nvml.h.
"""

import ctypes
import mmap
import shutil
import subprocess
import time
from pathlib import Path

LIBRARY = "libnvidia-ml.so.1"
SOURCE = Path(__file__).with_name("fake_nvml.c")
FLAGS = ("-std=c17", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-Wl,-soname,{LIBRARY}")
GPUS_MAX = 16
ANYBODY = GPUS_MAX
UNINITIALIZED, NOT_LOADED, VERSION_MISMATCH = 1, 9, 18
_MAGIC = 0x474E5646
_TRACE_MAX, _SECOND, _HISTORY_MAX = 32, 100, 512


_WRITTEN_BY_US = (
    *("lost", "hidden", "no_instant", "no_locks"),
    *("min_mw", "max_mw", "default_mw", "idle_mw", "demand_mw"),
    *("sm_mhz_min", "sm_mhz_max", "memory_mhz", "lag_ms"),
    *("xid_number", "xid_code", "trace_count"),
)


class _Stretch(ctypes.Structure):
    _fields_ = (("for_ms", ctypes.c_uint32), ("demand_mw", ctypes.c_uint32))


class _Was(ctypes.Structure):
    _fields_ = (("at_ns", ctypes.c_uint64), ("gpu", ctypes.c_uint32), ("limit_mw", ctypes.c_uint32))


class Gpu(ctypes.Structure):
    """One fake GPU, live: reading and writing its fields is reading and writing the library's."""

    _fields_ = (
        *((name, ctypes.c_uint32) for name in _WRITTEN_BY_US),
        ("trace", _Stretch * _TRACE_MAX),
        ("trace_from_ns", ctypes.c_uint64),
        *(
            (name, ctypes.c_uint32)
            for name in ["limit_mw", "lock_low_mhz", "lock_high_mhz", "persistent", "second_at", "unused"]
        ),
        ("stepped_ns", ctypes.c_uint64),
        ("power_w", ctypes.c_double),
        ("energy_j", ctypes.c_double),
        ("second_w", ctypes.c_double * _SECOND),
    )


class _State(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_uint32) for name in ["magic", "gpu_count", "error", "denied", "generation", "hang_gpu"]),
        ("hang", ctypes.c_char * 64),
        ("v2_sets", ctypes.c_uint32),
        ("history_count", ctypes.c_uint32),
        ("history", _Was * _HISTORY_MAX),
        ("gpus", Gpu * GPUS_MAX),
    )


def build(folder: Path) -> Path:
    """The library, compiled into folder."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise FileNotFoundError("no C compiler: apt-get install gcc libc6-dev")
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / LIBRARY
    subprocess.run([compiler, *FLAGS, "-o", str(library), str(SOURCE), "-lm", "-pthread"], check=True)
    return library


class FakeDriver:
    """One machine's GPUs: limits of an H100, all of them with a job that would draw 650 W."""

    def __init__(self, folder: Path, gpus: int, library: Path | None = None) -> None:
        self._library = folder / LIBRARY
        if library is None:
            build(folder)
        elif library != self._library:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy2(library, self._library)
        self._path = folder / "nvml.state"
        self._path.write_bytes(bytes(ctypes.sizeof(_State)))
        with self._path.open("r+b") as file:
            self._state = _State.from_buffer(mmap.mmap(file.fileno(), 0))
        self._state.gpu_count = gpus
        for at in range(gpus):
            gpu = self.gpu(at)
            gpu.min_mw, gpu.max_mw, gpu.default_mw, gpu.limit_mw = 200_000, 700_000, 700_000, 700_000
            gpu.idle_mw, gpu.demand_mw, gpu.power_w = 70_000, 650_000, 70.0
            gpu.sm_mhz_min, gpu.sm_mhz_max, gpu.memory_mhz = 210, 1980, 2619
            gpu.lag_ms = 50
        self._state.magic = _MAGIC

    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to find this driver."""
        return {"LD_LIBRARY_PATH": str(self._library.parent), "FAKE_NVML": str(self._path)}

    def gpu(self, at: int) -> Gpu:
        """One GPU."""
        gpu = self._state.gpus[at]
        assert isinstance(gpu, Gpu)
        return gpu

    def uuid(self, at: int) -> str:
        """What the driver calls it."""
        return f"GPU-fa4e0000-0000-4000-8000-{at:012x}"

    def hang(self, function: str, gpu: int = ANYBODY) -> None:
        """From now on this call ("*": every call) doesn't come back, until free()."""
        self._state.hang_gpu = gpu
        self._state.hang = function.encode()

    def free(self) -> None:
        """Calls come back again."""
        self._state.hang = b""

    def fail(self, error: int) -> None:
        """Every call answers this code; 0: none."""
        self._state.error = error

    def deny(self, denied: bool) -> None:
        """Whether whoever asks may not set anything."""
        self._state.denied = denied

    def reload(self) -> None:
        """The driver is loaded anew: defaults again, counters from zero, whoever was initialised is not."""
        for at in range(self._state.gpu_count):
            gpu = self.gpu(at)
            gpu.limit_mw, gpu.lock_low_mhz, gpu.lock_high_mhz = gpu.default_mw, 0, 0
            gpu.energy_j, gpu.persistent = 0.0, 0
        self._state.generation += 1
        self._state.error = 0

    def xid(self, at: int, code: int) -> None:
        """An error event of one GPU."""
        gpu = self.gpu(at)
        gpu.xid_code = code
        gpu.xid_number += 1

    def play(self, at: int, trace: list[tuple[int, float]]) -> None:
        """Have its job draw these watts for these milliseconds each, over and over, from now."""
        gpu = self.gpu(at)
        for number, (for_ms, demand_w) in enumerate(trace):
            gpu.trace[number] = _Stretch(for_ms, round(demand_w * 1000))
        gpu.trace_from_ns = time.monotonic_ns()
        gpu.trace_count = len(trace)

    def remove_library(self) -> None:
        """The driver's packages are being replaced: who looks for the library now finds none."""
        self._library.rename(self._library.with_suffix(".away"))

    def restore_library(self) -> None:
        """The library is there again."""
        self._library.with_suffix(".away").rename(self._library)

    def limits(self, at: int) -> list[tuple[int, float]]:
        """Every limit that was set on one GPU: when (monotonic ns) and how many watts."""
        count = self._state.history_count
        entries = [self._state.history[number % _HISTORY_MAX] for number in range(max(0, count - _HISTORY_MAX), count)]
        return [(entry.at_ns, entry.limit_mw / 1000) for entry in entries if entry.gpu == at]

    @property
    def v2_sets(self) -> int:
        """How often the setter was called whose return code the Python binding drops."""
        return int(self._state.v2_sets)
