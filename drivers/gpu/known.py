"""What the supervisor knows of one GPU, and how it tells it."""

from collections import deque

from msgspec.structs import replace

from drivers.gpu.messages import Clocks, GpuInfo, GpuReading, Health, Xid

XIDS_MAX = 16  # kept of each GPU
STALE_S = 3.0  # six looks
AT_ONCE = ("hung", "reloading", "no_driver", "no_library")  # of the worker: then no old reading counts
_STALE_NS = round(STALE_S * 1e9)


class KnownGpu:
    """One GPU that was seen since the start."""

    def __init__(self, info: GpuInfo) -> None:
        self.info = info
        self.reading = GpuReading(info.uuid, "starting", None)
        self.read_ns: int | None = None  # when the newest good reading was asked for
        self.clocks: Clocks | None = None
        self.lapsed_from_w: float | None = None
        self.lapse_again_ns = 0
        self.hung_until_ns = 0
        self.hangs = 0
        self.xids: deque[tuple[int, int, int]] = deque(maxlen=XIDS_MAX)  # number, code, when

    def shown(self, worker: Health, detail: str, lease_ns: int | None, now_ns: int) -> GpuReading:
        """It as a client is told. What is old, or was read by a worker that is in trouble, is not passed on as good."""
        health, words = self.reading.health, self.reading.detail
        age_ns = None if self.read_ns is None else now_ns - self.read_ns
        if health == "ok" and worker in AT_ONCE:
            health, words = worker, detail
        elif health == "ok" and (age_ns is None or age_ns > _STALE_NS):
            health, words = ("starting", "") if worker == "ok" else (worker, detail)
        reading = self.reading if health == "ok" else GpuReading(self.info.uuid, health, None, words)
        return replace(
            reading,
            age_ns=age_ns,
            clocks=self.clocks,
            lease_ns=lease_ns,
            lapsed_from_w=self.lapsed_from_w,
            xids=tuple(Xid(number, code, now_ns - seen_ns) for number, code, seen_ns in self.xids),
        )
