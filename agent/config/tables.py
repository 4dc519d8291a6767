"""The tables of site.toml as frozen Structs: their keys, units, ranges and defaults; the reference of the format.

Keys keep the names that site.toml has, with the unit in the name. Tables are singular in the file (`[[circuit]]`) and
plural on SiteFile (`circuits`). A default is what a careful person would have written; where there is no such thing the
key must be written. Ranges refuse slips of the unit (a limit in W, a time in ms), not unusual sites.

Here are the site, its circuits and its uplink; devices.py has what hangs on the field bus, loads.py the loads, rules.py
the rules. `ballast schema` prints all of it as JSON Schema. What the format has and this version does not do is in
notyet.py.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct, field

from agent.config.devices import ContactorTable, LinkTable, MeterTable, PlcTable
from agent.config.loads import GpusTable, MinersTable, MinersWritten
from agent.config.rules import RuleTable, RuleWritten
from agent.config.values import Arm, FilePath, Hz, Id, PlcBit, PowerKw, PowerKwOrNone, Seconds, Text, at_least


class SiteTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who this site and this agent are."""

    id: Annotated[Id, Meta(description="the site; part of every topic")]
    agent: Annotated[Id, Meta(description="this agent; part of every topic")] = "agent"
    control: Arm = "observe"
    timezone: Annotated[Text, Meta(description="IANA name; for people, control is monotonic")] = "UTC"
    currency: Annotated[
        str,
        Meta(pattern="^[A-Z]{3}$", extra=at_least('write its three letters, such as "USD"'), description="ISO 4217"),
    ] = "USD"
    nominal_hz: Annotated[Hz, Meta(description="the grid's nominal frequency", examples=[50.0, 60.0])]
    state_dir: FilePath = "/var/lib/ballast"
    commissioned: (
        Annotated[
            str,
            Meta(
                pattern="^sha256:[0-9a-f]{64}$",
                description="written by `ballast commission`",
                extra=at_least("leave it as `ballast commission` wrote it, or remove it"),
            ),
        ]
        | None
    ) = None
    islanded_when: (
        Annotated[PlcBit, Meta(description="PLC.BIT that is 1 on an island; left out: it can never be one")] | None
    ) = None
    contacts: Annotated[dict[Text, Text], Meta(max_length=16, description="whom to call; for people")] = {}


class JumpDown(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The largest single reduction, by what the site is tied to."""

    tied: Annotated[PowerKw, Meta(description="kW at once while tied to the grid")]
    island: (
        Annotated[
            PowerKw, Meta(description="kW at once on an island, or where the tie is not known; left out: as tied")
        ]
        | None
    ) = None


class CircuitTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A place in the electrical tree with a limit, perhaps a meter. One has no parent: the root, the grid connection.

    A root without ramp_up_kw_per_min gets a tenth of its limit per minute; a circuit with a meter must have a
    fallback_kw. Other keys left out do not limit.
    """

    id: Id
    parent: Annotated[Id, Meta(description="the circuit that feeds this one")] | None = None
    meter: Annotated[Id, Meta(description="the meter that measures this circuit")] | None = None
    limit_kw: Annotated[PowerKw, Meta(description="contract or rating, at any instant")]
    demand_kw: (
        Annotated[PowerKw, Meta(description="kW on average over the tariff's window", examples=[3800])] | None
    ) = None
    window_min: Annotated[int, Meta(ge=1, le=60, description="minutes of the tariff's window", examples=[15])] = 15
    limit_a: Annotated[float, Meta(gt=0, le=100_000, description="A of the worst phase", examples=[5000])] | None = None
    export_limit_kw: (
        Annotated[PowerKwOrNone, Meta(description="a shed takes its net power no lower than this below 0")] | None
    ) = None
    unmetered_kw: Annotated[PowerKwOrNone, Meta(description="pumps, fans, controls: never shed")] = 0.0
    ramp_up_kw_per_min: (
        Annotated[
            PowerKw, Meta(description="kW per minute of the circuit's net power while it returns", examples=[400])
        ]
        | None
    ) = None
    jump_up_kw: Annotated[PowerKw, Meta(description="the largest single raise", examples=[500])] | None = None
    jump_down_kw: Annotated[PowerKw, Meta(description="the largest single reduction")] | JumpDown | None = None
    fallback_kw: (
        Annotated[PowerKwOrNone, Meta(description="where it goes when its power can't be known", examples=[1500])]
        | None
    ) = None
    ramp_down_kw_per_min: (
        Annotated[PowerKw, Meta(description="kW per minute on the way to fallback_kw; left out: at once")] | None
    ) = None
    blind_after_s: Annotated[
        float, Meta(ge=0.5, le=3600, description="s without a power reading until BLIND", examples=[5])
    ] = 5.0

    @property
    def jump_down_tied_kw(self) -> float | None:
        """The largest single reduction while tied to the grid; None does not limit."""
        return self.jump_down_kw.tied if isinstance(self.jump_down_kw, JumpDown) else self.jump_down_kw

    @property
    def jump_down_island_kw(self) -> float | None:
        """The same on an island."""
        island_kw = self.jump_down_kw.island if isinstance(self.jump_down_kw, JumpDown) else None
        return self.jump_down_tied_kw if island_kw is None else island_kw


class RideThroughTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The utility's curve: how long the site stays connected at which voltage. Left out: a dead bus for 1 s, an outage.

    While the voltage is below it and its time is not over, nothing rises and no watts that fall count as delivered.
    """

    curve: Annotated[
        tuple[tuple[float, float], ...],
        Meta(
            min_length=1,
            max_length=32,
            description="[per-unit voltage, ms] points, both rising",
            examples=[[[0.0, 150], [0.5, 300], [0.7, 1000], [0.9, 10000]]],
        ),
    ]


class EnterServiceWindow(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What must hold before anything rises after an outage. The defaults are IEEE 1547-2018's (4.10.2)."""

    v_pu_min: Annotated[float, Meta(ge=0.5, le=1.0, description="per unit, the lowest phase")] = 0.917
    v_pu_max: Annotated[float, Meta(ge=1.0, le=1.3, description="per unit, the highest phase")] = 1.05
    hz_min: Annotated[Hz, Meta(description="left out: 0.8 % below nominal")] | None = None
    hz_max: Annotated[Hz, Meta(description="left out: 0.17 % above nominal")] | None = None
    for_s: Annotated[Seconds, Meta(description="s without interruption")] = 300.0


class EnterServiceTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What must hold before anything returns after an outage."""

    window: EnterServiceWindow = EnterServiceWindow()
    outage_when: (
        Annotated[PlcBit, Meta(description="PLC.BIT that is 1 while the supply is gone: a 27 relay, the UPS")] | None
    ) = None


class MaintenanceTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A time in which people work on a circuit. Times are the site's own (its timezone), without an offset."""

    circuit: Id
    start: Annotated[datetime, Meta(tz=False, description="local time", examples=["2026-12-01T08:00:00"])] = field(
        name="from"
    )
    end: Annotated[datetime, Meta(tz=False, description="local time", examples=["2026-12-01T16:00:00"])] = field(
        name="to"
    )
    effect: Annotated[Literal["no_raise"], Meta(description="no_raise: nothing rises there")] = "no_raise"


class MqttTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The broker. Without this table nothing is published and no command is heard."""

    url: Annotated[
        Text,
        Meta(description="mqtts://HOST:PORT, or mqtt:// unencrypted", examples=["mqtts://broker.example.net:8883"]),
    ]
    root: Annotated[
        str,
        Meta(
            pattern=r"^[^/+#\s]+(/[^/+#\s]+){0,2}$",
            max_length=100,
            description="what every topic begins with",
            extra=at_least('use at most three names joined by /, without + # or spaces, such as "ballast"'),
        ),
    ] = "ballast"
    ca: Annotated[FilePath, Meta(description="PEM of the broker's CA; left out: the system's")] | None = None
    cert: Annotated[FilePath, Meta(description="PEM of the client certificate")] | None = None
    key: Annotated[FilePath, Meta(description="PEM of the client certificate's key")] | None = None

    @property
    def host(self) -> str:
        """The broker's name or address."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The broker's port; 8883 with TLS and 1883 without, unless the URL says otherwise."""
        return urlsplit(self.url).port or (8883 if self.tls else 1883)

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.url.startswith("mqtts:")


class TelemetryTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is published how often, and how much of it waits while the broker is away."""

    interval_ms: Annotated[
        int, Meta(ge=100, le=3_600_000, description="ms between two telemetry batches", examples=[1000])
    ] = 1000
    spool_mib: Annotated[
        int, Meta(ge=1, le=1_000_000, description="MiB of records that may wait on the disk, in state_dir/spool")
    ] = 512


class KeysTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Our key and those whose commands we obey."""

    agent: (
        Annotated[FilePath, Meta(description="PEM of the agent's key; left out: one is made in state_dir")] | None
    ) = None
    keyring: Annotated[FilePath, Meta(description="whose commands are obeyed; no such file: all are refused")] = (
        "/etc/ballast/keyring.json"
    )


class SiteToml(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole site.toml as written."""

    site: SiteTable
    circuit: tuple[CircuitTable, ...]
    link: tuple[LinkTable, ...] = ()
    meter: tuple[MeterTable, ...] = ()
    plc: tuple[PlcTable, ...] = ()
    miners: tuple[MinersWritten, ...] = ()
    gpus: tuple[GpusTable, ...] = ()
    contactor: tuple[ContactorTable, ...] = ()
    rule: tuple[RuleWritten, ...] = ()
    ride_through: RideThroughTable | None = None
    enter_service: EnterServiceTable = EnterServiceTable()
    maintenance: tuple[MaintenanceTable, ...] = ()
    mqtt: MqttTable | None = None
    telemetry: TelemetryTable = TelemetryTable()
    keys: KeysTable = KeysTable()


class SiteFile(Struct, frozen=True, kw_only=True):
    """A site.toml that holds together: defaults filled in, miners resolved, paths absolute."""

    path: Path
    site: SiteTable
    circuits: tuple[CircuitTable, ...]  # parents first
    links: tuple[LinkTable, ...] = ()
    meters: tuple[MeterTable, ...] = ()
    plcs: tuple[PlcTable, ...] = ()
    miners: tuple[MinersTable, ...] = ()
    gpus: tuple[GpusTable, ...] = ()
    contactors: tuple[ContactorTable, ...] = ()
    rules: tuple[RuleTable, ...] = ()
    ride_through: RideThroughTable | None = None
    enter_service: EnterServiceTable = EnterServiceTable()
    maintenance: tuple[MaintenanceTable, ...] = ()
    mqtt: MqttTable | None = None
    telemetry: TelemetryTable = TelemetryTable()
    keys: KeysTable = KeysTable()
    text: str = ""  # the file as read
    named: Mapping[str, str] = {}  # inventories and profiles of the site's own as read, by the name it gives them

    def acts(self, rule: RuleTable) -> bool:
        """Whether the rule's decisions are carried out: the site acts, and the rule is not told to observe."""
        return self.site.control == "act" and rule.arm != "observe"
