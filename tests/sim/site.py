"""The site of one world: the numbers its owner wrote, as site.toml's text and as the judges' Rules."""

from msgspec import Struct

from tests.sim.judges.outside import NS_PER_S, Rules

STATE_DIR = "/var/lib/ballast"


class Site(Struct, frozen=True, kw_only=True):
    """One grid connection with one meter and one table of Avalon miners; one rule of each kind."""

    miners: int = 20
    rated_w: float = 3_200.0
    control: str = "act"
    nominal_hz: float = 50.0
    nominal_ln_v: float = 230.0
    limit_kw: float = 90.0
    margin_kw: float = 3.0
    unmetered_kw: float = 6.0
    ramp_up_kw_per_min: float = 60.0
    jump_up_kw: float = 10.0
    fallback_kw: float = 30.0
    ramp_down_kw_per_min: float = 600.0
    blind_after_s: float = 5.0
    fast_ms: int = 100
    refresh_ms: int = 200
    min_off_s: float = 40.0
    min_on_s: float = 20.0
    poll_s: float = 5.0
    shed_below_hz: float = 49.5
    shed_kw: float = 25.0
    release_above_hz: float = 49.8
    release_for_s: float = 30.0
    confirm_refreshes: int = 1
    interval_ms: int = 1000

    def hosts(self) -> list[str]:
        """The miners' addresses."""
        return [f"10.20.{number // 250}.{number % 250 + 1}" for number in range(self.miners)]

    def text(self) -> str:
        """site.toml."""
        hosts = ", ".join(f'"{host}"' for host in self.hosts())
        return f"""
[site]
id = "granbury-07"
agent = "ctl-1"
control = "{self.control}"
nominal_hz = {self.nominal_hz}
state_dir = "{STATE_DIR}"

[[circuit]]
id = "poi"
meter = "main"
limit_kw = {self.limit_kw}
unmetered_kw = {self.unmetered_kw}
ramp_up_kw_per_min = {self.ramp_up_kw_per_min}
jump_up_kw = {self.jump_up_kw}
fallback_kw = {self.fallback_kw}
ramp_down_kw_per_min = {self.ramp_down_kw_per_min}
blind_after_s = {self.blind_after_s}

[[link]]
id = "meter-net"
url = "tcp://10.20.255.10:502"

[[meter]]
id = "main"
link = "meter-net"
unit_id = 1
profile = "janitza-umg604"
nominal_ln_v = {self.nominal_ln_v}
fast_ms = {self.fast_ms}
slow_ms = 1000
refresh_ms = {self.refresh_ms}

[[miners]]
id = "a"
circuit = "poi"
hosts = [{hosts}]
family = "avalon"
rated_w = {self.rated_w}
sleep_w = 25
value_usd_per_mwh = 95.0
min_off_s = {self.min_off_s}
min_on_s = {self.min_on_s}
poll_s = {self.poll_s}

[[rule]]
id = "ufr"
kind = "under_frequency"
circuit = "poi"
shed_below_hz = {self.shed_below_hz}
confirm_refreshes = {self.confirm_refreshes}
shed_kw = {self.shed_kw}
release = {{ above_hz = {self.release_above_hz}, for_s = {self.release_for_s} }}

[[rule]]
id = "limits"
kind = "power_cap"
circuit = "poi"
margin_kw = {self.margin_kw}

[[rule]]
id = "commands"
kind = "command"

[mqtt]
url = "mqtt://10.20.255.20:1883"

[telemetry]
interval_ms = {self.interval_ms}
"""

    def rules(self, noise_w: float) -> Rules:
        """The same for the judges."""
        return Rules(
            observe=self.control == "observe",
            circuit="poi",
            limit_w=self.limit_kw * 1e3,
            margin_w=self.margin_kw * 1e3,
            unmetered_w=self.unmetered_kw * 1e3,
            ramp_up_w_per_s=self.ramp_up_kw_per_min * 1e3 / 60,
            jump_up_w=self.jump_up_kw * 1e3,
            min_off_ns=round(self.min_off_s * NS_PER_S),
            blind_after_ns=round(self.blind_after_s * NS_PER_S),
            fallback_w=self.fallback_kw * 1e3,
            ramp_down_w_per_s=self.ramp_down_kw_per_min * 1e3 / 60,
            shed_below_hz=self.shed_below_hz,
            shed_w=self.shed_kw * 1e3,
            release_above_hz=self.release_above_hz,
            release_for_ns=round(self.release_for_s * NS_PER_S),
            confirm_refreshes=self.confirm_refreshes,
            refresh_ns=self.refresh_ms * 1_000_000,
            poll_ns=self.fast_ms * 1_000_000,
            load_poll_ns=round(self.poll_s * NS_PER_S),
            nominal_ln_v=self.nominal_ln_v,
            noise_w=noise_w,
        )
