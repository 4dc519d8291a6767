"""A small site with a tank, a switchgear, two contactors and GPUs that is right, and its inventory."""

from pathlib import Path

from tests.config.sites import SITE, written

INVENTORY = """\
address,string,tank,rated_w
10.0.0.1,east,,3000
10.0.0.2,east,tank,3000
10.0.0.3,west,tank,3000
"""

MORE = """
[[link]]
id = "gear-net"
url = "tcp://127.0.0.2:502"

[[link]]
id = "line"
url = "rtu:///dev/ttyUSB0?baudrate=9600&parity=N&stopbits=2"

[[plc]]
id = "tank"
link = "line"
unit_id = 3
profile = "two-phase-tank"

[[plc]]
id = "gear"
link = "gear-net"
unit_id = 20
profile = "contactors-16"
fast_ms = 100
heartbeat_ms = 500
[plc.bits]
k1_52a = "di1"
k1_52b = "di2"
k2_52a = "di3"
remote = "di4"

[[contactor]]
id = "east"
plc = "gear"
close = { coil = "k1", kind = "maintained" }
feedback = { closed = "k1_52a", open = "k1_52b", within_ms = 400 }
permit = ["remote", "di5"]
feeds = { miners = "b", string = "east" }
use = "first"
on_silence = "open"

[[contactor]]
id = "rack"
plc = "gear"
close = { coil = "k2" }
feedback = { closed = "k2_52a" }
permit = ["remote"]
feeds = { gpus = "r1" }
on_silence = "hold"

[[miners]]
id = "b"
circuit = "hall"
family = "cgminer"
inventory = "b.csv"
sleep_w = 10
cooling = "tank"

[[gpus]]
id = "r1"
circuit = "poi"
at = "unix:gpud.sock"
floor_w = 350
fallback_w = 500
cooling = "tank"

[[rule]]
id = "cool"
kind = "cooling"
plc = "tank"
shed = { vapor_pressure_kpa_g_above = 6.0, coolant_level_pct_below = 70, for_ms = 200 }
warn = { vapor_pressure_kpa_g_above = 4, coolant_c_above = 52, for_s = 5 }
permit = { vapor_pressure_kpa_g_below = 3.0, coolant_level_pct_above = 75, for_s = 60 }
"""


def equipped(*changes: tuple[str, str], inventory: str = INVENTORY, folder: Path) -> Path:
    """The whole site in a folder, with each first text behind the small site replaced by the second."""
    text = MORE
    for before, after in changes:
        assert before in text, f"{before!r} is not in the site"
        text = text.replace(before, after, 1)
    (folder / "b.csv").write_text(inventory, encoding="utf-8")
    return written(folder, SITE + text)
