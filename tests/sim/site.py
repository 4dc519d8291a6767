"""The site of one world: the numbers its owner wrote, and the same as the judges' Rules; sitefile.py has its text.

Its miners in groups, each a table of site.toml: "b1" and "b2", each a quarter of the miners, behind the contactors
"k1" and "k2"; "t", a quarter, in the tank, as "b1" and the GPUs are; "l", with LuxOS; "a", the rest.
"""

from msgspec import Struct

from tests.sim.judges.devices import Devices, GearRules, GpuRules, TankRules
from tests.sim.judges.outside import NS_PER_S, Rules

STATE_DIR = "/var/lib/ballast"
TANK, GEAR, GPUS = "tank-a", "gear", "r1"
PERMITS = ("estop_ok", "leak_ok", "remote")


class Group(Struct, frozen=True):
    """One [[miners]] table."""

    id: str
    hosts: tuple[str, ...]
    family: str = "avalon"
    cooled: bool = False
    contactor: str = ""  # what feeds it


class Site(Struct, frozen=True, kw_only=True):
    """One grid connection with one meter and Avalon miners; one rule of each kind; and devices as asked for."""

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
    contactors: int = 0  # up to 2
    first: bool = False  # they are for rules that must be faster than miners
    min_open_s: float = 10.0
    operations_per_day_max: int = 20
    tank: bool = False
    tank_fast_ms: int = 200
    permit_for_s: float = 5.0
    auto_returns_per_day: int = 2
    luxos: int = 0
    gpus: int = 0
    gpu_floor_w: float = 200.0
    gpu_fallback_w: float = 400.0
    gpu_value: float = 900.0

    def hosts(self) -> list[str]:
        """The miners' addresses."""
        return [f"10.20.{number // 250}.{number % 250 + 1}" for number in range(self.miners)]

    def groups(self) -> list[Group]:
        """Their tables."""
        left, quarter = self.hosts(), self.miners // 4
        groups: list[Group] = []

        def group(name: str, count: int, **more: bool | str) -> None:
            taken, left[:] = tuple(left[:count]), left[count:]
            if taken:
                groups.append(Group(name, taken, **more))  # type: ignore[arg-type]

        for number in range(1, self.contactors + 1):
            group(f"b{number}", quarter, contactor=f"k{number}", cooled=self.tank and number == 1)
        group("t", quarter if self.tank else 0, cooled=True)
        group("l", self.luxos, family="luxos")
        group("a", len(left))
        return groups

    def uuids(self) -> list[str]:
        """The GPUs."""
        return [f"GPU-{number:08x}" for number in range(self.gpus)]

    def cooled(self) -> tuple[str, ...]:
        """What the tank cools."""
        miners = tuple(host for group in self.groups() if group.cooled for host in group.hosts)
        return (*miners, *self.uuids()) if self.tank else ()

    def feeds(self) -> dict[str, tuple[str, ...]]:
        """Contactor -> what it feeds."""
        return {group.contactor: group.hosts for group in self.groups() if group.contactor}

    def devices(self) -> Devices:
        """What the judges must know of them."""
        tank = gear = gpus = None
        if self.tank:
            tank = TankRules(
                name=TANK,
                loads=self.cooled(),
                shed=(("vapor_pressure_kpa_g", True, 6.0), ("condenser_flow_lpm", False, 60.0)),
                shed_for_ns=NS_PER_S // 5,
                permit=(("vapor_pressure_kpa_g", True, 3.0), ("condenser_flow_lpm", False, 80.0)),
                permit_for_ns=round(self.permit_for_s * NS_PER_S),
                auto_returns_per_day=self.auto_returns_per_day,
                blind_after_ns=2 * NS_PER_S,
                poll_ns=self.tank_fast_ms * 1_000_000,
            )
        if self.contactors:
            gear = GearRules(
                name=GEAR,
                feeds=self.feeds(),
                permits=PERMITS,
                within_ns=NS_PER_S // 2,
                open_ns_min=round(self.min_open_s * NS_PER_S),
                blind_after_ns=2 * NS_PER_S,
                poll_ns=NS_PER_S // 10,
            )
        if self.gpus:
            gpus = GpuRules(loads=tuple(self.uuids()), floor_w=self.gpu_floor_w, fallback_w=self.gpu_fallback_w)
        return Devices(tank, gear, gpus)

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
