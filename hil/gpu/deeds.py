"""What can be done to a fake driver by name, for whoever drives it from another process:

hang(function, gpu)  free()  fail(error)  deny(denied)  reload()  xid(at, code)  play(at, trace)  lose(at, lost)
remove_library()  restore_library()  limits(at)  gpus()
"""

from collections.abc import Callable
from typing import Any

from hil.gpu.fake import FakeDriver

_OWN = (
    *("hang", "free", "fail", "deny", "reload", "xid", "play", "limits"),
    *("remove_library", "restore_library"),
)


def deeds(driver: FakeDriver, count: int) -> dict[str, Callable[..., Any]]:
    """Each of them, for a driver with this many GPUs."""
    return {
        "lose": lambda **how: lose(driver, **how),
        "gpus": lambda: gpus(driver, count),
        **{name: getattr(driver, name) for name in _OWN},
    }


def lose(driver: FakeDriver, at: int, lost: bool = True) -> None:
    """One GPU falls off the bus, or is there again."""
    driver.gpu(at).lost = lost


def gpus(driver: FakeDriver, count: int) -> list[dict[str, float]]:
    """What each does, as the library left it."""
    return [
        {"watts": driver.gpu(at).power_w, "limit_w": driver.gpu(at).limit_mw / 1000, "joules": driver.gpu(at).energy_j}
        for at in range(count)
    ]
