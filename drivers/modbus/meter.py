"""One meter on a link: probed once, then read in a fast and a slow round."""

from enum import StrEnum

from msgspec import Struct

from drivers.modbus.link import Link
from drivers.profile import Profile
from drivers.sample import Sample


class BlockRead(Struct, frozen=True):
    """One round's samples and the registers they were decoded from."""

    samples: tuple[Sample, ...]
    registers: tuple[int, ...]
    asked_ns: int  # the first request of the round went out
    answered_ns: int  # its last answer was in
    taken_ns: int  # the middle of the first request and its answer: the samples are at most this old


class Proof(StrEnum):
    """Whether the device behind an address is what its profile says."""

    PROVEN = "proven"
    UNPROVEN = "unproven"  # it has no identity register, or refuses to show it
    WRONG = "wrong"  # it answered something else: not this device, it must not be read


class Proved(Struct, frozen=True):
    """What the probe came to, in one word and one sentence."""

    proof: Proof
    detail: str


class MeterReader:
    """Reads one meter as its profile says. Raises drivers.errors.DeviceError when a round brought nothing."""

    def __init__(self, link: Link, unit_id: int, profile: Profile, *, invert: bool = False) -> None:
        raise NotImplementedError

    async def probe(self) -> Proved:
        raise NotImplementedError

    async def read_fast(self) -> BlockRead:
        raise NotImplementedError

    async def read_slow(self) -> BlockRead:
        raise NotImplementedError
