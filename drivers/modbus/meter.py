"""One meter on a link: probed once, then read in a fast and a slow round, each of as few requests as its plan needs.

A block that the device refuses for what was asked (codes 1 to 3: no such function, register or length) is split once,
since most often one register in it is missing, and what is refused again is left alone: its points are bad samples that
say so, until forget_refusals() (the caller's: every few minutes). Any other failure ends the round with its error.
"""

from enum import StrEnum

from msgspec import Struct

from drivers.errors import Refused
from drivers.modbus.codes import CONFIGURATION
from drivers.modbus.link import Answer, Link
from drivers.modbus.plan import Block, decode_value, plan_reads
from drivers.profile import Profile, inverted
from drivers.sample import Sample


class BlockRead(Struct, frozen=True):
    """One round's samples and the registers they were decoded from."""

    samples: tuple[Sample, ...]
    registers: tuple[int, ...]
    asked_ns: int  # the first request of the round went out
    answered_ns: int  # its last answer was in
    taken_ns: int  # the middle of the first request and its answer: no sample of the round is older


class Proof(StrEnum):
    """Whether the device behind an address is what its profile says."""

    PROVEN = "proven"
    UNPROVEN = "unproven"  # it has no identity register, or refuses to show it
    WRONG = "wrong"  # it answered something else: not this device, it must not be read


class Proved(Struct, frozen=True):
    """What the probe came to, in one word and one sentence."""

    proof: Proof
    detail: str


class _Part(Struct, frozen=True, eq=False):
    """A block as this device lets us read it."""

    block: Block
    whole: bool = True  # not split yet
    refused: bool = False


class MeterReader:
    """Reads one meter as its profile says. Raises drivers.errors.DeviceError when a round brought nothing."""

    def __init__(self, link: Link, unit_id: int, profile: Profile, *, invert: bool = False) -> None:
        self._link = link
        self._unit_id = unit_id
        self._profile = inverted(profile) if invert else profile
        self._parts: dict[bool, list[_Part]] = {}  # by fast and slow
        self._code = 0  # of the newest refusal
        self.forget_refusals()

    async def probe(self) -> Proved:
        """Whether the device is the profile's; raises when it cannot be told now."""
        identity = self._profile.identity
        if identity is None:
            return Proved(Proof.UNPROVEN, f"{self._profile.name} has no identity register")
        try:
            answer = await self._link.read(self._unit_id, identity.table, identity.at, identity.count)
        except Refused as error:
            if error.code in CONFIGURATION:
                return Proved(Proof.UNPROVEN, f"the identity register at {identity.at} is refused: {error.detail}")
            raise
        value = decode_value(identity.kind, answer.registers, self._profile.word_order)
        expected = " or ".join(f"{right:g}" for right in identity.expect)
        said = f"{identity.table} {identity.at} is {value:g}, {self._profile.name} has {expected}"
        return Proved(Proof.PROVEN if value in identity.expect else Proof.WRONG, said)

    async def read_fast(self) -> BlockRead:
        """The points that decisions are made from."""
        return await self._read(fast=True)

    async def read_slow(self) -> BlockRead:
        """All the others."""
        return await self._read(fast=False)

    @property
    def refused(self) -> tuple[str, ...]:
        """The points that are not asked for any more."""
        return tuple(
            name for parts in self._parts.values() for part in parts if part.refused for name in part.block.names
        )

    def forget_refusals(self) -> None:
        """Ask for everything again from the next round on."""
        for fast in (True, False):
            self._parts[fast] = [_Part(block) for block in plan_reads(self._profile, fast=fast)]

    async def _read(self, *, fast: bool) -> BlockRead:
        samples: list[Sample] = []
        registers: list[int] = []
        answers: list[Answer] = []
        for part in tuple(self._parts[fast]):
            answer = await self._ask(part, fast)
            if answer is None:
                samples += (Sample(name, None, "refused by the device") for name in part.block.names)
            else:
                answers.append(answer)
                samples += part.block.decode(answer.registers)
                registers += answer.registers
        if not answers:
            return self._nothing(fast)
        first = answers[0]
        return BlockRead(
            samples=tuple(samples),
            registers=tuple(registers),
            asked_ns=first.asked_ns,
            answered_ns=answers[-1].answered_ns,
            taken_ns=(first.asked_ns + first.answered_ns) // 2,
        )

    async def _ask(self, part: _Part, fast: bool) -> Answer | None:
        """The part's registers, or None where the device refuses to show them."""
        if part.refused:
            return None
        block = part.block
        try:
            return await self._link.read(self._unit_id, block.table, block.at, block.count, fast=fast)
        except Refused as error:
            if error.code not in CONFIGURATION:
                raise
            self._refuse(part, error.code, fast)
            return None

    def _refuse(self, part: _Part, code: int, fast: bool) -> None:
        """Split a block that was refused whole; leave it alone after that."""
        self._code = code
        halves = part.block.halved() if part.whole else ()
        place = self._parts[fast].index(part)
        self._parts[fast][place : place + 1] = [_Part(half, whole=False) for half in halves] or [
            _Part(part.block, whole=False, refused=True)
        ]

    def _nothing(self, fast: bool) -> BlockRead:
        """A round without an answer: refused throughout, or there was nothing to ask for."""
        if self._parts[fast]:
            detail = f"unit {self._unit_id}: every register of the {'fast' if fast else 'slow'} round"
            raise Refused(self._link.address, self._code, detail)
        now_ns = self._link.clock_ns()
        return BlockRead((), (), now_ns, now_ns, now_ns)
