"""The fake driver as a stand-in for demos and rigs: `python -m hil.gpu --folder DIR --gpus 4`.

It prints one line of JSON when the library and its GPUs are there: {"ready": true, "environment": {...}, "gpus":
["GPU-..."]}; whoever starts `ballast gpud` puts the environment into gpud's own. Then it takes one JSON object a line,
{"do": "hang", "function": "*", "gpu": 2}, and answers each with {"ok": ...} or {"error": "..."}; what can be
done is in hil/gpu/deeds.py.

It ends with its standard input.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hil.gpu.deeds import deeds
from hil.gpu.fake import FakeDriver


def main() -> None:
    """Makes the GPUs and obeys."""
    parser = argparse.ArgumentParser(prog="python -m hil.gpu", description="GPUs without a GPU.")
    parser.add_argument("--folder", type=Path, required=True, help="where the library and its state are made")
    parser.add_argument("--gpus", type=int, default=4)
    asked = parser.parse_args()
    driver = FakeDriver(asked.folder, asked.gpus)
    done = deeds(driver, asked.gpus)
    ready = {
        "ready": True,
        "environment": driver.environment(),
        "gpus": [driver.uuid(at) for at in range(asked.gpus)],
    }
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        print(json.dumps(_obey(done, line)), flush=True)


def _obey(done: dict[str, Callable[..., Any]], line: str) -> dict[str, object]:
    try:
        asked = json.loads(line)
        return {"ok": done[asked.pop("do")](**asked)}
    except (KeyError, TypeError, ValueError, OSError, AttributeError) as error:
        return {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    main()
