"""The fake driver as a stand-in for demos and rigs: `python -m hil.gpu --folder DIR --gpus 4`.

It prints one line of JSON when the library and its GPUs are there: {"ready": true, "environment": {...}, "gpus":
["GPU-..."]}; whoever starts `ballast gpud` puts the environment into gpud's own. Then it takes one JSON object a line,
{"do": "hang", "function": "*", "gpu": 2}, and answers each with {"ok": ...} or {"error": "..."}:

    hang(function, gpu)  free()  fail(error)  deny(denied)  reload()  xid(at, code)  play(at, trace)  lose(at, lost)
    remove_library()  restore_library()  limits(at)  gpus()

It ends with its standard input.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hil.gpu.fake import FakeDriver


def lose(driver: FakeDriver, at: int, lost: bool = True) -> None:
    """One GPU falls off the bus, or is there again."""
    driver.gpu(at).lost = lost


def gpus(driver: FakeDriver, count: int) -> list[dict[str, float]]:
    """What each does, as the library left it."""
    return [
        {"watts": driver.gpu(at).power_w, "limit_w": driver.gpu(at).limit_mw / 1000, "joules": driver.gpu(at).energy_j}
        for at in range(count)
    ]


def main() -> None:
    """Makes the GPUs and obeys."""
    parser = argparse.ArgumentParser(prog="python -m hil.gpu", description="GPUs without a GPU.")
    parser.add_argument("--folder", type=Path, required=True, help="where the library and its state are made")
    parser.add_argument("--gpus", type=int, default=4)
    asked = parser.parse_args()
    driver = FakeDriver(asked.folder, asked.gpus)
    deeds: dict[str, Callable[..., Any]] = {
        "lose": lambda **how: lose(driver, **how),
        "gpus": lambda: gpus(driver, asked.gpus),
        **{
            name: getattr(driver, name)
            for name in (
                *("hang", "free", "fail", "deny", "reload", "xid", "play", "limits"),
                *("remove_library", "restore_library"),
            )
        },
    }
    ready = {
        "ready": True,
        "environment": driver.environment(),
        "gpus": [driver.uuid(at) for at in range(asked.gpus)],
    }
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        print(json.dumps(_obey(deeds, line)), flush=True)


def _obey(deeds: dict[str, Callable[..., Any]], line: str) -> dict[str, object]:
    try:
        asked = json.loads(line)
        return {"ok": deeds[asked.pop("do")](**asked)}
    except (KeyError, TypeError, ValueError, OSError, AttributeError) as error:
        return {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    main()
