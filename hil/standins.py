"""The stand-ins as a process of their own: `python -m hil.standins --config rig.toml`.

It prints one line of JSON when everything listens: {"ready": true, "control": "127.0.0.1:PORT", "meters": {"main":
"127.0.0.1:PORT"}, "plcs": {...}, "miners": ["127.20.0.1:4028", ...], "gpud_environment": {...}}.
The control port takes one JSON object a line,
{"do": "frequency", "hz": 49.2}, and answers each with {"ok": ...} or {"error": "..."}; operations are listed in
hil/rig.py. It ends on SIGTERM, SIGINT, or when its standard input is closed with --with-parent.
"""

import argparse
import asyncio
import json
import resource
import signal
import sys
import tomllib
from pathlib import Path

import msgspec

from hil.rig import Rig, RigConfig

_LINE_MAX = 1 << 20


def load_config(path: Path) -> RigConfig:
    """A rig from TOML or JSON, by the file's suffix."""
    text = path.read_text(encoding="utf-8")
    return msgspec.convert(json.loads(text) if path.suffix == ".json" else tomllib.loads(text), RigConfig)


async def serve(config: RigConfig, control_port: int, stop: asyncio.Event) -> None:
    """Runs a rig with its control port until `stop`."""
    rig = Rig(config)
    await rig.open()
    server = await asyncio.start_server(
        lambda reader, writer: _converse(rig, reader, writer), "127.0.0.1", control_port, limit=_LINE_MAX
    )
    ready = {"ready": True, "control": f"127.0.0.1:{server.sockets[0].getsockname()[1]}", **rig.ready()}
    print(json.dumps(ready), flush=True)
    async with asyncio.TaskGroup() as tasks:
        programs = [tasks.create_task(program, name=name) for name, program in rig.programs().items()]
        await stop.wait()
        for task in programs:
            task.cancel()
    server.close()
    await rig.close()


async def _converse(rig: Rig, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One control connection: a line in, a line out."""
    try:
        while line := await reader.readline():
            writer.write(json.dumps(await _obey(rig, line)).encode() + b"\n")
            await writer.drain()
    except ConnectionError:
        return
    finally:
        writer.close()


async def _obey(rig: Rig, line: bytes) -> dict[str, object]:
    try:
        asked = json.loads(line)
        return {"ok": await rig.do(asked.pop("do"), **asked)}
    except (KeyError, TypeError, ValueError, OSError) as error:
        return {"error": f"{type(error).__name__}: {error}"}


async def _main(config: RigConfig, control_port: int, with_parent: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if with_parent:
        loop.add_reader(sys.stdin, stop.set)  # only ever readable when the parent is gone
    await serve(config, control_port, stop)


def main() -> None:
    """Reads the arguments and runs."""
    parser = argparse.ArgumentParser(prog="python -m hil.standins", description="Stand-in devices of a site.")
    parser.add_argument("--config", type=Path, required=True, help="the rig, as TOML or JSON (RigConfig in hil/rig.py)")
    parser.add_argument("--control-port", type=int, default=0, help="control port; 0: any that is free")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input is closed")
    asked = parser.parse_args()
    _, files_max = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files_max, files_max))  # a listening socket for each miner
    asyncio.run(_main(load_config(asked.config), asked.control_port, asked.with_parent))


if __name__ == "__main__":
    main()
