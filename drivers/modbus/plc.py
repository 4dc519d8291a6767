"""One PLC on a link: read as a meter is, with its bits; told by coils and by a heartbeat.

Reading and writing may go over two links to the same endpoint: a write must not queue behind reads
(drivers/modbus/link.py). Every write says what is to be, never what is to change, so that one whose effect is unknown
can be repeated. Several coils that lie side by side go in one frame (function 15): the PLC sees one state, not a
sequence of them.
"""

from collections.abc import Mapping

from drivers.modbus.link import Answer, Link
from drivers.modbus.meter import MeterReader
from drivers.modbus.turns import Rank
from drivers.profile import Profile, wired


class PlcReader(MeterReader):
    """Reads a PLC as its profile says: quantities, and bits as 1.0 and 0.0 by the site's names."""

    def __init__(self, link: Link, unit_id: int, profile: Profile, names: Mapping[str, str]) -> None:
        """`names`: the site's name for a bit -> the profile's."""
        super().__init__(link, unit_id, wired(profile, names))


class PlcWriter:
    """Tells a PLC what is to be. Raises drivers.errors.DeviceError; after Silent and Garbled the effect is unknown."""

    def __init__(self, link: Link, unit_id: int, profile: Profile) -> None:
        self._link = link
        self._unit_id = unit_id
        self._at = {coil.name: coil.at for coil in profile.coils}
        self._heartbeat = profile.heartbeat

    def runs(self, coils: Mapping[str, bool]) -> list[dict[str, bool]]:
        """These coils as frames: each a run without a hole, lowest address first."""
        runs: list[dict[str, bool]] = []
        reached = -1
        for name in sorted(coils, key=self._at.__getitem__):
            if self._at[name] != reached:
                runs.append({})
            runs[-1][name] = coils[name]
            reached = self._at[name] + 1
        return runs

    async def set_coils(self, run: Mapping[str, bool]) -> Answer:
        """Set the coils of one run."""
        return await self._link.write(self._unit_id, "coil", self._at[next(iter(run))], tuple(map(int, run.values())))

    async def read_coil(self, name: str) -> bool:
        """What the coil is set to."""
        answer = await self._link.read(self._unit_id, "coil", self._at[name], 1, fast=True)
        return bool(answer.registers[0])

    async def beat(self, count: int) -> Answer:
        """Show that the agent lives. It gives way to coils."""
        assert self._heartbeat is not None
        return await self._link.write(self._unit_id, "holding", self._heartbeat.at, (count,), rank=Rank.FAST)
