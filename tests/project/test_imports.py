"""Who may import whom (ARCHITECTURE.md): imports point inward, and what must have one reader has one reader.

A layer is the longest prefix in LAYERS that a module's name has; of our own packages it may import itself and what its
row lists. FOREIGN says which of our files may know a library at all, so that it can be replaced by changing those.
"""

import ast
import sys

import pytest

from tests.project.tree import Module, modules, names, parse, uses, within

OURS = ("agent", "drivers", "hil", "tests")

LAYERS: dict[str, tuple[str, ...]] = {
    "agent": (),
    "agent.core": (),
    "agent.config": ("agent.core", "drivers"),
    "agent.shell": ("agent.core", "agent.config", "drivers"),
    "agent.uplink": ("agent.core", "agent.config", "drivers"),
    "agent.local": ("agent.core", "agent.config", "drivers"),
    "agent.consume": ("agent.uplink.sealing", "agent.uplink.records"),
    "agent.flight": ("agent.core", "agent.config", "agent.shell", "agent.translate", "agent.version", "drivers"),
    "agent.cli": (
        "agent.app",
        "agent.flight",
        "agent.translate",
        "agent.translate_rules",
        "agent.version",
        "agent.config",
        "agent.uplink",
        "agent.local",
        "agent.consume",
        "agent.core",
        "agent.shell.clock",  # the one reader of wall time, which a command's expiry needs
        "drivers",
    ),
    "agent.app": ("agent", "drivers"),
    "agent.report": ("agent", "drivers"),  # parts of app: what the board knows in others' words,
    "agent.devices": ("agent", "drivers"),
    "agent.translate": ("agent", "drivers"),
    "agent.translate_rules": ("agent", "drivers"),  # and site.toml in the core's
    "agent.version": (),
    "agent.__main__": ("agent.cli",),
    "drivers": (),
    "hil": (),
}

FOREIGN: dict[str, tuple[str, ...]] = {
    "pymodbus": ("drivers.modbus",),
    "aiomqtt": ("agent.uplink.mqtt", "hil"),
    "paho": ("agent.uplink.mqtt", "hil"),
    "pynvml": ("drivers.gpu",),
    "cryptography": ("agent.uplink", "agent.cli", "hil", "drivers.miners.whatsminer"),
    "uvloop": ("agent.app", "agent.cli", "hil"),
    "rich": ("agent.cli", "hil"),
    "amqtt": ("hil",),
    "psutil": ("hil",),
}

# agent.core decides from values alone; these would let the outside in.
IMPURE = (
    "asyncio",
    "concurrent",
    "ctypes",
    "logging",
    "multiprocessing",
    "os",
    "pathlib",
    "random",
    "secrets",
    "select",
    "shutil",
    "signal",
    "socket",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "uuid",
    "warnings",
)
WALL_CLOCKS = (
    "datetime.now",
    "datetime.utcnow",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "date.today",
    "datetime.date.today",
)
IMPURE_CALLS = ("open", "print", "input", "exec", "eval", *WALL_CLOCKS)

# One reader of time: agent/shell/clock.py. Everything else is handed a clock, so that the simulation can be it.
CLOCKS = (
    "time.time",
    "time.time_ns",
    "time.monotonic",
    "time.monotonic_ns",
    "time.perf_counter",
    "time.perf_counter_ns",
    "time.clock_gettime",
    "time.clock_gettime_ns",
    *WALL_CLOCKS,
)
CLOCK_FILE = "agent.shell.clock"

# One way to a thread: the spawn seam. An NVML worker is a process of its own and lives below drivers.gpu.
THREADS = ("threading", "concurrent", "multiprocessing", "_thread", "asyncio.to_thread")
THREAD_FILES = ("agent.shell.spawn", "drivers.gpu")


def layer_faults(module: Module) -> list[str]:
    """Imports of our own packages that the module's layer must not have."""
    layer = max((name for name in LAYERS if within(module.name, (name,))), key=len)
    allowed = LAYERS[layer] if layer == "agent" else (layer, *LAYERS[layer])  # a new file in agent/ needs a row
    return [
        f"{module.path}:{use.line}: {layer} must not import {use.module}"
        for use in uses(module)
        if within(use.module, OURS) and not within(use.module, allowed)
    ]


def foreign_faults(module: Module) -> list[str]:
    """Imports of a library outside the files that may know it."""
    return [
        f"{module.path}:{use.line}: only {', '.join(files)} may import {library}"
        for use in uses(module)
        for library, files in FOREIGN.items()
        if within(use.module, (library,)) and not within(module.name, files)
    ]


def core_faults(module: Module) -> list[str]:
    """What would make agent.core impure: a library, an await, a way to the outside."""
    stdlib = tuple(sys.stdlib_module_names)
    faults = [
        f"{module.path}:{use.line}: agent.core must not import {use.module}"
        for use in uses(module)
        if within(use.module, IMPURE) or not within(use.module, (*stdlib, "msgspec", "agent.core"))
    ]
    faults += [
        f"{module.path}:{use.line}: agent.core must not use {use.module}"
        for use in names(module)
        if use.module in IMPURE_CALLS
    ]
    waits = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    faults += [
        f"{module.path}:{getattr(node, 'lineno', 0)}: agent.core must not await"
        for node in ast.walk(module.syntax)
        if isinstance(node, waits)
    ]
    return faults


def seam_faults(module: Module) -> list[str]:
    """Reading a clock, sleeping or starting a thread anywhere but in the one file for it."""
    seen = [*uses(module), *names(module)]
    faults = []
    if module.name != CLOCK_FILE:
        faults += [f"{module.path}:{use.line}: only {CLOCK_FILE} reads time" for use in seen if use.module in CLOCKS]
    faults += [f"{module.path}:{use.line}: time.sleep blocks the loop" for use in seen if use.module == "time.sleep"]
    if not within(module.name, THREAD_FILES):
        faults += [
            f"{module.path}:{use.line}: threads only through agent/shell/spawn.py"
            for use in seen
            if within(use.module, THREADS)
        ]
    return faults


def test_every_module_imports_only_what_its_layer_may() -> None:
    faults = [fault for module in modules("agent", "drivers", "hil") for fault in layer_faults(module)]

    assert faults == []


def test_every_library_is_known_to_its_own_files_alone() -> None:
    faults = [fault for module in modules("agent", "drivers", "hil") for fault in foreign_faults(module)]

    assert faults == []


def test_the_core_is_pure() -> None:
    faults = [fault for module in modules("agent/core") for fault in core_faults(module)]

    assert faults == []


def test_time_and_threads_have_one_file_each() -> None:
    faults = [fault for module in modules("agent", "drivers") for fault in seam_faults(module)]

    assert faults == []


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("agent.core.cut", "from agent.shell import board"),
        ("agent.shell.board", "import agent.uplink.outbox"),
        ("agent.shell.board", "def late() -> None:\n    from agent.app import run"),
        ("agent.local.status", "from ..shell import journal"),
        ("agent.consume.reader", "from agent.uplink import outbox"),
        ("agent.cli.check", "from agent.shell.board import Board"),
        ("agent.app", "import hil.demo"),
        ("drivers.points", "from agent.core.values import Reading"),
        ("hil.plant", "from drivers.sample import Sample"),
        ("hil.plant", "import agent"),
    ],
)
def test_an_import_that_points_outward_is_found(name: str, source: str) -> None:
    assert layer_faults(parse(name, source)) != []


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("agent.core.cut", "from agent.core import ladder"),
        (
            "agent.shell.board",
            "from agent.core.values import Reading\nfrom drivers.errors import Silent\nimport asyncio",
        ),
        ("agent.consume.reader", "from agent.uplink.sealing import open_sealed"),
        ("agent.app", "from agent.shell import board\nfrom drivers.modbus import link"),
        ("agent.cli.run", "from agent.app import run"),
    ],
)
def test_an_import_that_points_inward_is_not_a_fault(name: str, source: str) -> None:
    assert layer_faults(parse(name, source)) == []


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("hil.modbus", "from pymodbus.server import StartAsyncTcpServer"),
        ("drivers.miners.client", "import pymodbus"),
        ("agent.shell.board", "import aiomqtt"),
        ("agent.core.cut", "import rich.table"),
    ],
)
def test_a_library_outside_its_files_is_found(name: str, source: str) -> None:
    assert foreign_faults(parse(name, source)) != []


@pytest.mark.parametrize(
    "source",
    [
        "import logging",
        "import random",
        "from os import environ",
        "import pymodbus",
        "from agent.shell import clock",
        "async def decide() -> None: ...",
        "values = open('site.toml')",
    ],
)
def test_an_impure_core_is_found(source: str) -> None:
    assert core_faults(parse("agent.core.decide", source)) != []


@pytest.mark.parametrize(
    "source",
    [
        "import time\nnow = time.monotonic()",
        "from time import monotonic_ns",
        "import time\nclock = time.time_ns",
        "from datetime import datetime\nnow = datetime.now()",
        "import datetime\nnow = datetime.datetime.now()",
        "import time\ntime.sleep(1)",
        "from concurrent.futures import ThreadPoolExecutor",
        "import asyncio\nasyncio.to_thread(print)",
    ],
)
def test_a_second_reader_of_time_or_a_stray_thread_is_found(source: str) -> None:
    assert seam_faults(parse("agent.shell.board", source)) != []
