"""One life of the production agent: its own loader, its own composition root, and the six seams of this world.

The only file of the simulation that knows the agent by name, besides those that have to speak a seam's types.
"""

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path
from random import Random

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from agent.app import Agent, Identity, Seams
from agent.config import GpusTable, SiteFile, load
from agent.shell.watchdog import ServiceManager
from agent.uplink.keyring import read_keyring
from agent.uplink.sealing import Signer
from drivers.gpu.wire import Connect
from tests.sim.clock import VirtualClock
from tests.sim.disk import Platter, VirtualDisk
from tests.sim.gpus import VirtualGpus
from tests.sim.life import Life
from tests.sim.mqtt import Broker, VirtualWire
from tests.sim.spawn import Threads, VirtualSpawn
from tests.sim.transport import Device, VirtualTransport
from tests.sim.wire import Network, VirtualDial


def load_site(text: str) -> SiteFile:
    """site.toml's text through the agent's own loader."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "site.toml"
        path.write_text(text)
        return load(path)


class Surroundings(Struct, frozen=True):
    """What of the world an agent's seams lead to."""

    network: Network
    endpoints: Mapping[str, Device]  # [[link]] -> what is behind it
    gpus: VirtualGpus | None
    broker: Broker
    platter: Platter
    clock: VirtualClock
    threads: Threads
    key: Ed25519PrivateKey
    keyring: bytes


class LivingAgent:
    """Started when made; `stop` asks it to end, `task` is its whole life."""

    def __init__(self, number: int, file: SiteFile, around: Surroundings, random: Random) -> None:
        self.life = Life(number)
        self.dial: VirtualDial
        self.stop = asyncio.Event()
        self.agent: Agent
        self._file = file
        self._around = around
        self._random = random
        self._spawn = VirtualSpawn(around.threads, self.life)
        self._spawn_spool = VirtualSpawn(around.threads, self.life)
        self.task = asyncio.get_running_loop().create_task(self._live(), name=f"agent:{number}")

    async def _live(self) -> None:
        """As agent.app.serve: an agent that learns of other GPUs begins anew."""
        around, life, random = self._around, self.life, self._random
        while not self.stop.is_set():
            self.dial = VirtualDial(around.network, life)
            seams = Seams(
                dial=self.dial,
                transport=lambda table: VirtualTransport(around.endpoints[table.id], around.network, life),
                gpud=self._gpud,
                wire=VirtualWire(around.broker, life),
                disk=VirtualDisk(around.platter, life),
                clock=around.clock,
                spawn=self._spawn,
                spawn_spool=self._spawn_spool,
                token_hex=lambda size: random.randbytes(size).hex(),
                jitter=random,
            )
            identity = Identity(Signer(around.key), read_keyring(around.keyring))
            self.agent = Agent(self._file, seams, identity, uncommissioned=True)
            try:
                await self.agent.run(self.stop, status_path=None, manager=ServiceManager(None))
            finally:
                self.dial.die()

    def _gpud(self, table: GpusTable) -> Connect:
        assert self._around.gpus is not None
        return self._around.gpus.connect(self.life)
