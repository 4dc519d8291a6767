"""One life of the production agent: its own loader, its own composition root, and the six seams of this world.

The only file of the simulation that knows the agent by name, besides those that have to speak a seam's types.
"""

import asyncio
import tempfile
from pathlib import Path
from random import Random

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.app import Agent, Identity, Seams
from agent.config import GpusTable, SiteFile, load
from agent.shell.watchdog import ServiceManager
from agent.uplink.keyring import read_keyring
from agent.uplink.sealing import Signer
from drivers.gpu.wire import Connect
from tests.sim.clock import VirtualClock
from tests.sim.disk import Platter, VirtualDisk
from tests.sim.life import Life
from tests.sim.modbus import VirtualMeter, VirtualTransport
from tests.sim.mqtt import Broker, VirtualWire
from tests.sim.spawn import Threads, VirtualSpawn
from tests.sim.wire import Network, VirtualDial


def load_site(text: str) -> SiteFile:
    """site.toml's text through the agent's own loader."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "site.toml"
        path.write_text(text)
        return load(path)


class LivingAgent:
    """Started when made; `stop` asks it to end, `task` is its whole life."""

    def __init__(
        self,
        number: int,
        file: SiteFile,
        *,
        network: Network,
        meter: VirtualMeter,
        broker: Broker,
        platter: Platter,
        clock: VirtualClock,
        threads: Threads,
        random: Random,
        key: Ed25519PrivateKey,
        keyring: bytes,
    ) -> None:
        self.life = Life(number)
        self.dial = VirtualDial(network, self.life)
        self.stop = asyncio.Event()
        seams = Seams(
            dial=self.dial,
            transport=lambda _: VirtualTransport(meter, network, self.life),
            gpud=_no_gpud,
            wire=VirtualWire(broker, self.life),
            disk=VirtualDisk(platter, self.life),
            clock=clock,
            spawn=VirtualSpawn(threads, self.life),
            spawn_spool=VirtualSpawn(threads, self.life),
            token_hex=lambda size: random.randbytes(size).hex(),
            jitter=random,
        )
        agent = Agent(file, seams, Identity(Signer(key), read_keyring(keyring)), uncommissioned=True)
        living = agent.run(self.stop, status_path=None, manager=ServiceManager(None))
        self.task = asyncio.get_running_loop().create_task(living, name=f"agent:{number}")


def _no_gpud(table: GpusTable) -> Connect:
    """The simulated site has no GPUs."""
    raise AssertionError(f"nobody asked for {table.id}")
