"""site.toml of one world, as its owner would write it."""

from tests.sim.site import GEAR, GPUS, STATE_DIR, TANK, Group, Site


def site_toml(site: Site) -> str:
    """The whole file."""
    parts = [_head(site)]
    parts += [_miners(site, group) for group in site.groups()]
    if site.tank:
        parts.append(_tank(site))
    if site.contactors:
        parts.append(_GEAR)
        parts += [_contactor(site, number) for number in range(site.contactors)]
    if site.gpus:
        parts.append(_gpus(site))
    return "".join(parts)


def _head(site: Site) -> str:
    return f"""
[site]
id = "granbury-07"
agent = "ctl-1"
control = "{site.control}"
nominal_hz = {site.nominal_hz}
state_dir = "{STATE_DIR}"

[[circuit]]
id = "poi"
meter = "main"
limit_kw = {site.limit_kw}
unmetered_kw = {site.unmetered_kw}
ramp_up_kw_per_min = {site.ramp_up_kw_per_min}
jump_up_kw = {site.jump_up_kw}
fallback_kw = {site.fallback_kw}
ramp_down_kw_per_min = {site.ramp_down_kw_per_min}
blind_after_s = {site.blind_after_s}

[[link]]
id = "meter-net"
url = "tcp://10.20.255.10:502"

[[meter]]
id = "main"
link = "meter-net"
unit_id = 1
profile = "janitza-umg604"
nominal_ln_v = {site.nominal_ln_v}
fast_ms = {site.fast_ms}
slow_ms = 1000
refresh_ms = {site.refresh_ms}

[[rule]]
id = "ufr"
kind = "under_frequency"
circuit = "poi"
shed_below_hz = {site.shed_below_hz}
confirm_refreshes = {site.confirm_refreshes}
shed_kw = {site.shed_kw}
release = {{ above_hz = {site.release_above_hz}, for_s = {site.release_for_s} }}

[[rule]]
id = "limits"
kind = "power_cap"
circuit = "poi"
margin_kw = {site.margin_kw}

[[rule]]
id = "commands"
kind = "command"

[mqtt]
url = "mqtt://10.20.255.20:1883"

[telemetry]
interval_ms = {site.interval_ms}
"""


def _miners(site: Site, group: Group) -> str:
    hosts = ", ".join(f'"{host}"' for host in group.hosts)
    return f"""
[[miners]]
id = "{group.id}"
circuit = "poi"
hosts = [{hosts}]
family = "{group.family}"
rated_w = {site.rated_w}
sleep_w = 25
value_usd_per_mwh = 95.0
min_off_s = {site.min_off_s}
min_on_s = {site.min_on_s}
poll_s = {site.poll_s}
{f'cooling = "{TANK}"' if group.cooled else ""}
"""


def _tank(site: Site) -> str:
    return f"""
[[link]]
id = "cooling-net"
url = "tcp://10.20.255.30:502"

[[plc]]
id = "{TANK}"
link = "cooling-net"
unit_id = 3
profile = "two-phase-tank"
fast_ms = {site.tank_fast_ms}
blind_after_s = 2
heartbeat_ms = 500

[[rule]]
id = "cooling"
kind = "cooling"
plc = "{TANK}"
shed = {{ vapor_pressure_kpa_g_above = 6.0, condenser_flow_lpm_below = 60, for_ms = 200 }}
warn = {{ vapor_pressure_kpa_g_above = 4.0, coolant_c_above = 52.0, for_s = 1 }}
permit = {{ vapor_pressure_kpa_g_below = 3.0, condenser_flow_lpm_above = 80, for_s = {site.permit_for_s} }}
auto_returns_per_day = {site.auto_returns_per_day}
"""


_GEAR = f"""
[[link]]
id = "gear-net"
url = "tcp://10.20.255.40:502"

[[plc]]
id = "{GEAR}"
link = "gear-net"
unit_id = 20
profile = "contactors-16"
fast_ms = 100
blind_after_s = 2
heartbeat_ms = 500
[plc.bits]
estop_ok = "di1"
leak_ok = "di2"
remote = "di3"
k1_52a = "di4"
k1_52b = "di5"
k2_52a = "di6"
k2_52b = "di7"
"""


def _contactor(site: Site, number: int) -> str:
    name = f"k{number + 1}"
    return f"""
[[contactor]]
id = "{name}"
plc = "{GEAR}"
close = {{ coil = "{name}", kind = "maintained" }}
feedback = {{ closed = "{name}_52a", open = "{name}_52b", within_ms = 500 }}
permit = ["estop_ok", "leak_ok", "remote"]
feeds = {{ miners = "b{number + 1}" }}
use = "{"first" if site.first else "last"}"
min_open_s = {site.min_open_s}
operations_per_day_max = {site.operations_per_day_max}
on_silence = "open"
"""


def _gpus(site: Site) -> str:
    return f"""
[[gpus]]
id = "{GPUS}"
circuit = "poi"
at = "unix:/run/gpud.sock"
select = "all"
floor_w = {site.gpu_floor_w}
fallback_w = {site.gpu_fallback_w}
value_usd_per_mwh = {site.gpu_value}
{f'cooling = "{TANK}"' if site.tank else ""}
"""
