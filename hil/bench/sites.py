"""The sites that the bench has: a site.toml around a fleet, with what is timed on it.

Each is made so that what is timed moves everything it can move, and that nothing but the agent itself slows the way
back: no minimum times, ramps far above what the fleet draws.
"""

from pathlib import Path

from hil.bench.programs import FED, REFRESH_MS, Fleet

WATTS = 400  # of one miner: 8,000 of them stay within what a meter's profile believes
ASLEEP_W = 15
UNMETERED_KW = 60
SHED_BELOW_HZ = 49.5
METER_MS = 20  # its poll
TANK_MS, TANK_FOR_MS = 200, 200  # the PLC's poll and the rule's time, as in the example site; the floor has the same
TANK_RETURNS = 24  # as often as a tank may return by itself in 24 h

BASE = """\
[site]
id = "bench"
agent = "ctl-1"
control = "act"
nominal_hz = 50.0
state_dir = "{state}"

[[circuit]]
id = "poi"
meter = "main"
limit_kw = {limit_kw}
unmetered_kw = {unmetered_kw}
ramp_up_kw_per_min = 1000000
jump_up_kw = 1000000
jump_down_kw = {{ tied = 1000000 }}
fallback_kw = {fallback_kw}

[[link]]
id = "meter-net"
url = "tcp://127.0.0.1:{meter_port}"

[[meter]]
id = "main"
link = "meter-net"
profile = "janitza-umg604"
nominal_ln_v = 277.0
fast_ms = {meter_ms}
refresh_ms = {refresh_ms}

[[miners]]
id = "a"
circuit = "poi"
inventory = "miners.csv"
family = "{family}"
rated_w = {watts}
sleep_w = {asleep_w}
value_usd_per_mwh = 95.0
min_off_s = 0
min_on_s = 0
poll_s = {poll_s}
{cooling}

[[rule]]
id = "ufr"
kind = "under_frequency"
circuit = "poi"
shed_below_hz = {shed_below_hz}
shed_kw = {shed_kw}
release = {{ above_hz = 49.8, for_s = 0 }}

[mqtt]
url = "mqtt://127.0.0.1:{broker_port}"

[keys]
keyring = "{state}/keyring.json"
"""

CONTACTOR = """
[[link]]
id = "switchgear-net"
url = "tcp://127.0.0.1:{plc_port}"

[[plc]]
id = "switchgear"
link = "switchgear-net"
unit_id = 20
profile = "contactors-16"
fast_ms = 100
heartbeat_ms = 500
[plc.bits]
k1_52a = "di1"
k1_52b = "di2"
estop_ok = "di3"

[[contactor]]
id = "a-east"
plc = "switchgear"
close = {{ coil = "k1", kind = "maintained" }}
feedback = {{ closed = "k1_52a", open = "k1_52b", within_ms = 500 }}
permit = ["estop_ok"]
feeds = {{ miners = "a", string = "east" }}
use = "first"
min_open_s = 0
operations_per_day_max = 10000
on_silence = "open"
"""

TANK = """
[[link]]
id = "cooling-net"
url = "tcp://127.0.0.1:{plc_port}"

[[plc]]
id = "tank-a"
link = "cooling-net"
unit_id = 3
profile = "two-phase-tank"
fast_ms = {tank_ms}
blind_after_s = 5
heartbeat_ms = 500

[[rule]]
id = "tank-a"
kind = "cooling"
plc = "tank-a"
shed = {{ condenser_flow_lpm_below = 60, for_ms = {tank_for_ms} }}
warn = {{ condenser_flow_lpm_below = 70, for_s = 5 }}
permit = {{ condenser_flow_lpm_above = 80, for_s = 0 }}
auto_returns_per_day = {tank_returns}
"""

GPUS = """
[[gpus]]
id = "r1"
circuit = "poi"
at = "unix:{gpud}"
select = "all"
floor_w = 350
fallback_w = 500
value_usd_per_mwh = 900.0
"""


def write_site(folder: Path, fleet: Fleet, what: str, broker_port: int, poll_s: int) -> Path:
    """site.toml and its inventory in folder; `what` is on it: "volleys", "coil", "tank" or "gpus"."""
    state = folder / "state"
    shed_w = fleet.miners * (WATTS - ASLEEP_W)
    if what == "coil":
        shed_w = FED * (WATTS - ASLEEP_W)
    figures = {
        "state": state,
        "limit_kw": round(fleet.miners * WATTS / 1000 * 2 + UNMETERED_KW + 10),
        "unmetered_kw": UNMETERED_KW,
        "fallback_kw": round(fleet.miners * ASLEEP_W / 1000 + UNMETERED_KW + 10),
        "meter_port": fleet.meter_port,
        "meter_ms": METER_MS,
        "refresh_ms": REFRESH_MS,
        "family": fleet.dialect,
        "watts": WATTS,
        "asleep_w": ASLEEP_W,
        "poll_s": poll_s,
        "cooling": 'cooling = "tank-a"' if what == "tank" else "",
        "shed_below_hz": SHED_BELOW_HZ,
        # Half a miner short of all that is meant: the cut takes the last one too, and nothing else.
        "shed_kw": (shed_w - (WATTS - ASLEEP_W) / 2) / 1000,
        "broker_port": broker_port,
        "plc_port": fleet.plc_port,
        "tank_ms": TANK_MS,
        "tank_for_ms": TANK_FOR_MS,
        "tank_returns": TANK_RETURNS,
        "gpud": folder / "gpud.sock",
    }
    more = {"coil": CONTACTOR, "tank": TANK, "gpus": GPUS}.get(what, "")
    site = folder / "site.toml"
    site.write_text((BASE + more).format(**figures), "utf-8")
    rows = [f"{fleet.address(miner)},{'east' if miner < FED else 'west'}\n" for miner in range(fleet.miners)]
    (folder / "miners.csv").write_text("address,string\n" + "".join(rows), "utf-8")
    return site
