"""keygen, send and tail as programs, against a real broker and an agent whose core is played by the test."""

import asyncio
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent.core.notes import CommandNote
from agent.uplink.keyfiles import public_path
from agent.uplink.keyring import read_keyring
from agent.uplink.mqtt import broker_at
from tests.e2e.uplink.broker import Mosquitto, running
from tests.e2e.uplink.rig import Agent
from tests.uplink.kit import AGENT, AGENT_KEY, SITE


async def ballast(*arguments: str) -> tuple[int, str, str]:
    """Runs the command; exit code, output, errors."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agent", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(60):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


class Outside:
    """An issuer's key made by keygen, and an agent that has it in its keyring."""

    def __init__(self, folder: Path, broker: Mosquitto) -> None:
        self.key = folder / "dispatch.pem"
        self.public = folder / "agent.pub"
        self.broker = broker
        self.states: tuple[str, ...] = ("applied", "verified")

    async def begin(self) -> Agent:
        code, out, err = await ballast("keygen", "--out", str(self.key), "--roles", "curtail,restore", "--json")
        assert (code, err) == (0, "")
        entry = json.loads(out)["entry"]
        ring = read_keyring(json.dumps({"v": 1, "t": "keys", "ver": 1, "keys": [entry]}).encode())
        self.public.write_bytes(pem_of_agent())
        agent = Agent(broker_at(f"mqtt://127.0.0.1:{self.broker.port}", f"{SITE}.{AGENT}"), ring=ring)
        agent.sink.on_lease = lambda: self._tell_soon(agent)
        return agent

    def _tell_soon(self, agent: Agent) -> None:
        asyncio.get_running_loop().call_soon(self._tell, agent)

    def _tell(self, agent: Agent) -> None:
        newest = list(agent.sink.leases)[-1]
        for state in self.states:
            agent.uplink.told(CommandNote(agent.clock.monotonic_ns(), newest, state, meter="main", net_w=1_187_400.0))

    def where(self) -> list[str]:
        return [
            *("--url", f"mqtt://127.0.0.1:{self.broker.port}"),
            *("--site", SITE, "--agent", AGENT, "--agent-key", str(self.public)),
        ]

    async def send(self, *arguments: str) -> tuple[int, list[dict[str, Any]], str]:
        code, out, err = await ballast("send", *arguments, "--key", str(self.key), "--json", *self.where())
        return code, [json.loads(line) for line in out.splitlines()], err


def pem_of_agent() -> bytes:
    public = Ed25519PublicKey.from_public_bytes(AGENT_KEY.public.raw)
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_keygen_makes_a_key_for_its_owner_alone_and_never_twice(tmp_path: Path) -> None:
    path = tmp_path / "agent.pem"

    code, out, _ = asyncio.run(ballast("keygen", "--out", str(path)))
    again, _, err = asyncio.run(ballast("keygen", "--out", str(path)))

    assert code == 0
    assert "fingerprint  sha256:" in out
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert public_path(path).exists()
    assert again == 1
    assert "already" in err


def test_a_limit_is_followed_until_it_is_verified_and_then_released(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as broker:
            outside = Outside(tmp_path, broker)
            agent = await outside.begin()
            async with agent.running():
                await agent.connected()
                code, statuses, _ = await outside.send("limit", "--circuit", "poi", "--kw", "1200", "--lease", "15m")
                assert code == 0
                assert [status["st"] for status in statuses] == ["accepted", "applied", "verified"]
                (lease,) = agent.sink.leases.values()
                assert (lease.circuit, lease.limit_w) == ("poi", 1_200_000)

                code, statuses, _ = await outside.send("release", statuses[0]["id"])
                assert code == 0
                assert [status["st"] for status in statuses] == ["accepted", "applied"]
                assert agent.sink.leases == {}

                code, out, _ = await ballast("tail", *outside.where(), "--count", "3", "--json")
                assert code == 0
                assert {json.loads(line)["t"] for line in out.splitlines()} == {"conn", "schema", "ctl"}

    asyncio.run(play())


@pytest.mark.parametrize(
    ("states", "arguments", "code"),
    [
        (("applied", "unverified"), ["--kw", "1200", "--lease", "15m"], 4),
        (("failed",), ["--kw", "1200", "--lease", "15m"], 3),
        ((), ["--kw", "1200", "--lease", "15m", "--circuit", "nowhere"], 3),
        ((), ["--kw", "1200", "--lease", "15m", "--dry"], 0),
    ],
    ids=["unverified", "failed", "rejected", "dry"],
)
def test_the_exit_code_says_what_became_of_it(
    tmp_path: Path, states: tuple[str, ...], arguments: list[str], code: int
) -> None:
    async def play() -> int:
        async with running(tmp_path) as broker:
            outside = Outside(tmp_path, broker)
            outside.states = states
            agent = await outside.begin()
            async with agent.running():
                await agent.connected()
                return (await outside.send("limit", *arguments))[0]

    assert asyncio.run(play()) == code


def test_without_the_agent_there_is_no_answer_and_a_wrong_key_believes_nobody(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as broker:
            outside = Outside(tmp_path, broker)
            agent = await outside.begin()
            assert (await outside.send("limit", "--kw", "1", "--lease", "1m"))[0] == 5
            async with agent.running():
                await agent.connected()
                outside.public.write_bytes(public_path(outside.key).read_bytes())
                code, _, err = await outside.send("limit", "--kw", "1", "--lease", "1m")
                assert code == 5
                assert "not believed" in err
            assert agent.sink.leases == {}

    asyncio.run(play())


def test_two_senders_at_once_never_use_one_number(tmp_path: Path) -> None:
    async def play() -> list[str]:
        async with running(tmp_path) as broker:
            outside = Outside(tmp_path, broker)
            agent = await outside.begin()
            async with agent.running():
                await agent.connected()
                dry = ("limit", "--kw", "1", "--lease", "1m", "--dry", "--key", str(outside.key), *outside.where())
                sent = await asyncio.gather(*(ballast("send", *dry) for _ in range(2)))
                return sorted(out.splitlines()[0].split(" ", 1)[1] for _, out, _ in sent)

    assert asyncio.run(play()) == ["sent (number 1)", "sent (number 2)"]
