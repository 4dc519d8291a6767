"""SunSpec: a meter that says itself where its registers are.

At one of three wire addresses, 40000, 50000 or 0, stand the two registers "SunS". Behind them is a list of models, each
two registers, its ID and the length L of what follows, and L registers with what that ID stands for. ID 0xFFFF ends the
list. Model 1 names the device, 201 to 204 are meters in integers with scale factors, 211 to 214 the same in floats;
others are passed over by their length. What is where in a model is data: the profiles "sunspec" (integers) and
"sunspec-float", whose addresses count from the model's ID register.

The list is walked when the device is probed, and again whenever the poller has lost it, since another firmware may have
put its models elsewhere. The walk ends at the first model that a profile reads. Of several meters behind one unit (an
inverter with two) that is the first; the others have unit numbers of their own in every device we know of.

Scale factors may change between two reads, with the values: both are in one block (drivers/modbus/plan.py reads no
value without its scale_at), and so from one instant.

Source: SunSpec Device Information Model Specification, sections on the map and its models; github.com/sunspec/models.
"""

import msgspec

from drivers.errors import Garbled, Refused
from drivers.modbus.codes import CONFIGURATION
from drivers.modbus.link import Link
from drivers.modbus.meter import BlockRead, MeterReader, Proof, Proved
from drivers.profile import Point, Profile, load_profile

BASES = (40000, 50000, 0)  # where "SunS" may stand, in the order that the specification prefers
MARK = (0x5375, 0x6E53)  # "SunS"
END = 0xFFFF
REGISTERS = 0x10000  # of the whole table
MODELS_MAX = 64  # the longest lists known have about 20
HEAD = 2  # registers before a model's own: ID and length

EITHER = "sunspec"  # this profile's name in site.toml stands for integers or floats, whichever the meter has
LISTS = ("sunspec", "sunspec-float")


class NoModel(Garbled):
    """It answers, and has no model that we read."""


class SunspecReader:
    """Reads one SunSpec meter, as MeterReader does one whose addresses are known."""

    def __init__(self, link: Link, unit_id: int, lists: tuple[Profile, ...], *, invert: bool = False) -> None:
        """`lists`: profiles with `sunspec` models; the first model of the device that one of them has is read."""
        self._link = link
        self._unit_id = unit_id
        self._lists = lists
        self._invert = invert
        self._reader: MeterReader | None = None  # once the model was found

    async def probe(self) -> Proved:
        """Look for the model; raises when it cannot be told now whether there is one."""
        self._reader = None
        try:
            self._reader, found = await self._find()
        except NoModel as error:
            return Proved(Proof.WRONG, error.detail)
        return Proved(Proof.PROVEN, found)

    async def read_fast(self) -> BlockRead:
        """The points that decisions are made from."""
        return await (await self._found()).read_fast()

    async def read_slow(self) -> BlockRead:
        """All the others."""
        return await (await self._found()).read_slow()

    @property
    def refused(self) -> tuple[str, ...]:
        """The points that are not asked for any more."""
        return () if self._reader is None else self._reader.refused

    def forget_refusals(self) -> None:
        """Ask for everything again from the next round on."""
        if self._reader is not None:
            self._reader.forget_refusals()

    async def _found(self) -> MeterReader:
        if self._reader is None:
            self._reader, _ = await self._find()
        return self._reader

    async def _find(self) -> tuple[MeterReader, str]:
        """The model's reader, and where it is in words."""
        for base in BASES:
            if await self._read(base, len(MARK)) == MARK:
                return await self._walk(base)
        raise NoModel(self._link.address, f"unit {self._unit_id} has no SunS at holding 40000, 50000 or 0")

    async def _walk(self, base: int) -> tuple[MeterReader, str]:
        at = base + len(MARK)
        passed: list[int] = []
        while at + HEAD <= REGISTERS and len(passed) < MODELS_MAX:
            # The end marker's length is missing in some devices, and asking for it is refused.
            head = await self._read(at, HEAD) or await self._read(at, 1)
            if not head or head[0] == 0:
                break
            if head[0] == END or len(head) < HEAD:
                raise self._none(passed, f"and none of {', '.join(str(model) for model in self._models())}")
            model, length = head
            profile = next((profile for profile in self._lists if model in profile.sunspec), None)
            if profile is not None:
                self._check_length(profile, model, at, length)
                reader = MeterReader(self._link, self._unit_id, placed(profile, at), invert=self._invert)
                return reader, f"SunSpec at holding {base}: model {model} at {at}, read as {profile.name}"
            passed.append(model)
            at += HEAD + length
        raise self._none(passed, f"and at holding {at} neither another nor the end marker 0xffff")

    async def _read(self, at: int, count: int) -> tuple[int, ...]:
        """The registers, or none where the device does not have them."""
        try:
            return (await self._link.read(self._unit_id, "holding", at, count)).registers
        except Refused as error:
            if error.code not in CONFIGURATION:
                raise
            return ()

    def _check_length(self, profile: Profile, model: int, at: int, length: int) -> None:
        needed = max(point.end for point in profile.points) - HEAD
        if length < needed or at + HEAD + needed > REGISTERS:
            detail = f"model {model} at holding {at} is {length} registers long, {profile.name} reads {needed}"
            raise NoModel(self._link.address, detail)

    def _none(self, passed: list[int], detail: str) -> NoModel:
        models = f"models {', '.join(map(str, passed))}" if passed else "no model"
        return NoModel(self._link.address, f"unit {self._unit_id} has SunS, {models}, {detail}")

    def _models(self) -> list[int]:
        return [model for profile in self._lists for model in profile.sunspec]


Reader = MeterReader | SunspecReader


def make_reader(link: Link, unit_id: int, profile_name: str, *, invert: bool = False) -> Reader:
    """The reader of a meter by its profile's name or path, as in site.toml; raises drivers.profile.ProfileErrors."""
    profile = load_profile(profile_name)
    if not profile.sunspec:
        return MeterReader(link, unit_id, profile, invert=invert)
    lists = tuple(load_profile(name) for name in LISTS) if profile_name == EITHER else (profile,)
    return SunspecReader(link, unit_id, lists, invert=invert)


def placed(profile: Profile, at: int) -> Profile:
    """A model's profile with its addresses on the wire, the ID register being at `at`."""

    def moved(point: Point) -> Point:
        scale_at = None if point.scale_at is None else point.scale_at + at
        return msgspec.structs.replace(point, at=point.at + at, scale_at=scale_at)

    readable = tuple((first + at, end + at) for first, end in profile.readable)
    return msgspec.structs.replace(profile, points=tuple(map(moved, profile.points)), readable=readable, sunspec=())
