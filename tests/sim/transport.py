"""The Modbus transport seam: one endpoint's wire to a virtual device, and the log of what was written over it.

A device answers reads and takes writes (Device). A write is on its way once the agent has handed it over: it arrives
whether or not the agent lives to hear the answer.

Ailments of a device (`ails`): "" well; "silent" nothing is answered; "refuse" no connection; "cut" the connection
breaks at the next request; "late" answers come after `late_s`. What is written meanwhile is not done where the request
does not get there ("silent", "refuse"), and done where only the answer is lost ("cut") or late.
"""

import asyncio
import struct
from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Struct

from drivers.errors import DeviceError, Silent, Unreachable
from drivers.modbus.transport import WriteTable
from drivers.profile import AnyTable
from tests.sim.life import Life
from tests.sim.wire import Network

LINK_AILMENTS = ("silent", "refuse", "cut", "late")


class Put(Struct):
    """One write as a clock on the cable logs it."""

    sent_ns: int
    life: int
    table: str
    at: int
    values: tuple[int, ...]
    arrived_ns: int | None = None  # the device had it
    answered_ns: int | None = None  # the agent had the answer


class Device(Protocol):
    """What stands behind an endpoint."""

    name: str
    ails: str
    late_s: float

    def read(self, unit: int, table: str, at: int, count: int) -> tuple[tuple[int, ...], Any]:
        """The words of a block, and what to log when the agent has them; or drivers.errors.Refused."""
        ...

    def told(self, life: int, at: int, count: int, what: Any) -> None:
        """An answer reached the agent."""
        ...

    def write(self, put: Put) -> None:
        """A write arrived; or drivers.errors.Refused."""
        ...


class VirtualTransport:
    """What drivers/modbus/transport.py's Transport promises, to one device."""

    def __init__(self, device: Device, network: Network, life: Life) -> None:
        self._device = device
        self._network = network
        self._life = life
        self._connected = False

    @property
    def address(self) -> str:
        return f"{self._device.name}:502"

    @property
    def connected(self) -> bool:
        return self._connected and self._device.ails not in ("cut", "refuse")

    async def connect(self) -> None:
        await self._travel()
        if self._device.ails == "refuse":
            raise Unreachable(self._device.name, "connection refused")
        if self._device.ails == "silent":
            raise Unreachable(self.address, "no answer to the SYN")
        self._connected = True

    @property
    def quiet_s(self) -> float:
        return 0.0

    def settle(self) -> None:
        """Nothing is owed: answers are numbered."""

    async def read(self, unit: int, table: AnyTable, at: int, count: int) -> tuple[int, ...]:
        device, network = self._device, self._network
        self._raise_unconnected()
        network.log(f"ask {device.name} {unit} {table} {at} {count}")
        await self._travel()
        await self._meet()
        words, what = device.read(unit, table, at, count)
        await self._back()
        network.log(f"told {device.name}", struct.pack(f">{count}H", *words))
        device.told(self._life.number, at, count, what)
        return words

    async def write(self, unit: int, table: WriteTable, at: int, values: Sequence[int]) -> None:
        device, network = self._device, self._network
        self._raise_unconnected()
        if not self._life.alive:
            raise asyncio.CancelledError
        network.log(f"put {device.name} {unit} {table} {at} {tuple(values)}")
        put = Put(network.loop.now_ns, self._life.number, table, at, tuple(values))
        arrived = asyncio.Event()
        refused: list[DeviceError] = []

        def arrive() -> None:
            if device.ails not in ("silent", "refuse"):
                put.arrived_ns = network.loop.now_ns
                try:
                    device.write(put)
                except DeviceError as error:
                    refused.append(error)
            arrived.set()

        network.after(self._one_way_s(), arrive)
        await arrived.wait()
        await self._meet()
        await self._back()
        if refused:
            raise refused[0]
        put.answered_ns = network.loop.now_ns

    def close(self) -> None:
        self._connected = False

    def _raise_unconnected(self) -> None:
        if not self._connected:
            raise Unreachable(self._device.name, "not connected")

    async def _meet(self) -> None:
        """What a request meets that has travelled."""
        ails = self._device.ails
        if ails in ("cut", "refuse"):
            self._connected = False
            raise Silent(self._device.name, "the connection broke with the request on its way")
        if ails == "silent":
            await asyncio.Event().wait()  # for ever: the deadline is the caller's

    async def _back(self) -> None:
        if self._device.ails == "late":
            await asyncio.sleep(self._device.late_s)
        await self._travel()

    async def _travel(self) -> None:
        if not self._life.alive:
            raise asyncio.CancelledError
        await asyncio.sleep(self._one_way_s())

    def _one_way_s(self) -> float:
        weather = self._network.weather
        return self._network.random.uniform(weather.latency_s_min, weather.latency_s_max)
