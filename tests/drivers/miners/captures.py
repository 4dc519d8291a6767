"""Where the recorded replies are: those in the repository, and the larger collection beside it when it is there."""

import os
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[3]
KEPT = _ROOT / "tests" / "captures" / "miners"
SHARED = Path(os.environ.get("BALLAST_SHARED", _ROOT.parent / "shared")) / "captures" / "miners"


def replies(folder: Path) -> list[Path]:
    """Every file that holds one reply."""
    return sorted(
        path for path in folder.glob("*/*") if path.suffix in (".json", ".txt") and "behaviour" not in path.name
    )


def api_replies(folder: Path) -> list[Path]:
    """Those of the cgminer API alone: bodies of HTTP interfaces and of API v3 hold no STATUS."""
    return [path for path in replies(folder) if "-local" in path.parent.name or b"STATUS" in path.read_bytes()]


def kept(name: str) -> bytes:
    """One reply of the repository's."""
    return (KEPT / name).read_bytes()
