"""Leases: with nobody renewing for LEASE_S, each leased GPU's limit goes to the lower of present and fallback_w.

    held    renewed less than LEASE_S ago: nothing is done
    lapsed  older: the GPU is to be lowered, again and again until a read-back shows it at or below fallback_w (or at
            the driver's lowest limit, where that is higher)
    held    a renewal at any time; what was lowered stays so until somebody sets it

Never upwards. The supervisor holds them, so that they outlive its NVML worker; `fallbacks` is what it keeps on disk, so
that they outlive itself: leases that were taken up again run for LEASE_S from the start.
"""

from collections.abc import Iterable, Mapping

from drivers.gpu.messages import LEASE_S, Lease

LEASES_MAX = 256  # GPUs of one machine, and of what stood in it before
_LEASE_NS = round(LEASE_S * 1e9)
_SAME_W = 0.5  # drivers round a limit to 1 W or finer


class Leases:
    """All leases of one gpud."""

    def __init__(self, fallbacks: Mapping[str, float], now_ns: int) -> None:
        self.fallbacks: dict[str, float] = dict(fallbacks)
        self._renewed_ns = dict.fromkeys(self.fallbacks, now_ns)

    def renew(self, leases: Iterable[Lease], now_ns: int) -> bool:
        """Begin these anew; whether any fallback changed. Beyond LEASES_MAX none begins."""
        changed = False
        for lease in leases:
            if lease.uuid not in self.fallbacks and len(self.fallbacks) >= LEASES_MAX:
                continue
            self._renewed_ns[lease.uuid] = now_ns
            changed |= self.fallbacks.get(lease.uuid) != lease.fallback_w
            self.fallbacks[lease.uuid] = lease.fallback_w
        return changed

    def left_ns(self, uuid: str, now_ns: int) -> int | None:
        """How long a lease still runs, 0 when it lapsed, None when there is none."""
        renewed_ns = self._renewed_ns.get(uuid)
        return None if renewed_ns is None else max(0, renewed_ns + _LEASE_NS - now_ns)

    def held(self, uuid: str, now_ns: int) -> bool:
        """Whether somebody is there to lower this GPU again."""
        return bool(self.left_ns(uuid, now_ns))

    def lapsed(self, now_ns: int) -> tuple[str, ...]:
        """The GPUs whose lease nobody renewed in time."""
        return tuple(uuid for uuid in self.fallbacks if not self.held(uuid, now_ns))


def lapse_to_w(limit_w: float, limit_w_min: float, fallback_w: float) -> float | None:
    """The limit that a lapse asks for, None when the present one is low enough."""
    wanted_w = max(limit_w_min, fallback_w)
    return wanted_w if limit_w > wanted_w + _SAME_W else None
