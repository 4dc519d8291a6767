"""The tables of site.toml as frozen Structs: their keys, units, ranges and defaults; the reference of the format.

Keys keep the names that site.toml has, with the unit in the name. Tables are singular in the file (`[[circuit]]`) and
plural on SiteFile (`circuits`). A default is what a careful person would have written; where there is no such thing the
key must be written. Ranges refuse slips of the unit (a limit in W, a time in ms), not unusual sites.

`ballast schema` prints this file as JSON Schema. What the format has and this version does not do is in notyet.py.
"""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct

MENDS = "mend"  # in Meta.extra: what to write instead, where the range alone does not say it

Id = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9-]{0,31}$",
        description="a name: a-z, 0-9 and -, at most 32 characters",
        extra={MENDS: "use lower-case letters, digits and -, at most 32, beginning with a letter or a digit"},
    ),
]
Text = Annotated[str, Meta(min_length=1, max_length=200)]
FilePath = Annotated[
    str,
    Meta(min_length=1, max_length=1000, description="a file's path; relative ones lie beside site.toml"),
]
PowerKw = Annotated[float, Meta(gt=0, le=1_000_000, description="kW, import positive", examples=[4000])]
PowerKwOrNone = Annotated[float, Meta(ge=0, le=1_000_000, description="kW, 0 or more", examples=[60])]
LoadW = Annotated[float, Meta(gt=0, le=100_000, description="W of one load", examples=[3250])]
Hz = Annotated[float, Meta(ge=45, le=65, description="Hz; outside 45 to 65 a frequency is never believed")]
PollMs = Annotated[int, Meta(ge=10, le=60_000, description="ms between two polls")]
Seconds = Annotated[float, Meta(ge=0, le=86_400, description="s, at most a day")]
Arm = Annotated[Literal["observe", "act"], Meta(description="observe: decide and publish; act: do it")]


def _at_least(least: str) -> dict[str, str]:
    return {MENDS: least}


class SiteTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who this site and this agent are."""

    id: Annotated[Id, Meta(description="the site; part of every topic")]
    agent: Annotated[Id, Meta(description="this agent; part of every topic")] = "agent"
    control: Arm = "observe"
    timezone: Annotated[Text, Meta(description="IANA name; for people, control is monotonic")] = "UTC"
    currency: Annotated[
        str,
        Meta(pattern="^[A-Z]{3}$", extra=_at_least('write its three letters, such as "USD"'), description="ISO 4217"),
    ] = "USD"
    nominal_hz: Annotated[Hz, Meta(description="the grid's nominal frequency", examples=[50.0, 60.0])]
    state_dir: FilePath = "/var/lib/ballast"
    commissioned: (
        Annotated[
            str,
            Meta(
                pattern="^sha256:[0-9a-f]{64}$",
                description="written by `ballast commission`",
                extra=_at_least("leave it as `ballast commission` wrote it, or remove it"),
            ),
        ]
        | None
    ) = None
    contacts: Annotated[dict[Text, Text], Meta(max_length=16, description="whom to call; for people")] = {}


class JumpDown(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The largest single reduction, by what the site is tied to."""

    tied: Annotated[PowerKw, Meta(description="kW at once while tied to the grid")]


class CircuitTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A place in the electrical tree with a limit, perhaps a meter. One has no parent: the root, the grid connection.

    A root without ramp_up_kw_per_min gets a tenth of its limit per minute; a circuit with a meter must have a
    fallback_kw. Other keys left out do not limit.
    """

    id: Id
    parent: Annotated[Id, Meta(description="the circuit that feeds this one")] | None = None
    meter: Annotated[Id, Meta(description="the meter that measures this circuit")] | None = None
    limit_kw: Annotated[PowerKw, Meta(description="contract or rating, at any instant")]
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


class LinkTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One Modbus TCP endpoint; one task owns it."""

    id: Id
    url: Annotated[Text, Meta(description="tcp://ADDRESS:PORT", examples=["tcp://10.20.0.10:502"])]

    @property
    def host(self) -> str:
        """The endpoint's address."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The endpoint's port; 502 unless the URL says otherwise."""
        return urlsplit(self.url).port or 502


class MeterTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One meter on a link."""

    id: Id
    link: Id
    unit_id: Annotated[int, Meta(ge=0, le=255, description="Modbus unit identifier")] = 1
    profile: Annotated[Text, Meta(description="a profile's name, or the path of a profile's TOML file")]
    nominal_ln_v: Annotated[
        float,
        Meta(
            ge=50,
            le=500_000,
            description="nominal line-to-neutral V as reported; a frequency counts only while the voltage is alive",
            examples=[230.0, 277.0],
        ),
    ]
    fast_ms: Annotated[
        PollMs, Meta(description="ms between polls of power, frequency, voltage", examples=[20, 100])
    ] = 100
    slow_ms: Annotated[PollMs, Meta(description="ms between polls of everything else", examples=[1000])] = 1000
    refresh_ms: Annotated[
        int,
        Meta(
            ge=10, le=60_000, description="how often the meter renews its values; 1 s is the commonest", examples=[200]
        ),
    ] = 1000
    invert: Annotated[bool, Meta(description="current transformers the other way round")] = False
    backup: Annotated[Id, Meta(description="the meter used, marked, while this one is silent")] | None = None


class Miner(Struct, frozen=True, kw_only=True):
    """One miner of a [[miners]] table; its load's name is TABLE/ADDRESS."""

    address: str
    label: str = ""
    model: str = ""
    rated_w: float
    string: str = ""
    tank: str = ""


class _MinersKeys(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    id: Id
    circuit: Id
    family: Annotated[Text, Meta(description="the firmware's dialect", examples=["avalon"])]
    port: Annotated[int, Meta(ge=1, le=65_535, description="TCP port of the miners' API")] = 4028
    rated_w: Annotated[LoadW, Meta(description="W of one miner where the inventory says nothing")] | None = None
    sleep_w: Annotated[float, Meta(ge=0, le=10_000, description="W of one miner asleep", examples=[25])]
    value_usd_per_mwh: Annotated[
        float,
        Meta(ge=-100_000, le=100_000, description="what a MWh earns here: the cheap watts go first", examples=[95.0]),
    ] = 0.0
    min_off_s: Annotated[Seconds, Meta(description="s down before a raise")] = 300.0
    min_on_s: Annotated[Seconds, Meta(description="s up before money or a command may lower it")] = 120.0
    poll_s: Annotated[float, Meta(ge=1, le=600, description="s between polls of one miner's state")] = 10.0


class MinersWritten(_MinersKeys, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Miners of one kind on one circuit, as written: an inventory's path or host ranges, one of the two."""

    inventory: (
        Annotated[FilePath, Meta(description="CSV: address,label,model,rated_w,string,tank", examples=["miners-a.csv"])]
        | None
    ) = None
    hosts: Annotated[
        tuple[Text, ...], Meta(description="addresses and ranges", examples=[["10.20.1.1-10.20.1.250"]])
    ] = ()


class MinersTable(_MinersKeys, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Miners of one kind on one circuit, with every one of them resolved from the inventory or the ranges."""

    hosts: tuple[Miner, ...]

    def load_id(self, miner: Miner) -> str:
        """What the miner is called everywhere: a/10.20.1.17."""
        return f"{self.id}/{miner.address}"


class Release(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What must hold, and how long, before a frequency event returns."""

    above_hz: Hz
    for_s: Annotated[Seconds, Meta(description="s without interruption", examples=[900])]


class UnderFrequencyRule(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="under_frequency"
):
    """Sheds when the grid's frequency falls through a threshold."""

    id: Id
    arm: Arm | None = None
    circuit: Id
    when: Annotated[
        Literal["tied", "any"],
        Meta(description="without islanded_when a site counts as tied, so both are always so"),
    ] = "tied"
    shed_below_hz: Annotated[Hz, Meta(description="sheds on the crossing from at or above to below", examples=[59.7])]
    confirm_refreshes: Annotated[
        int, Meta(ge=1, le=10, description="distinct refreshes of the meter that must agree")
    ] = 1
    shed_kw: Annotated[PowerKw, Meta(description="kW below what it drew before the crossing; or to_kw")] | None = None
    to_kw: Annotated[PowerKwOrNone, Meta(description="the net kW to go to; or shed_kw")] | None = None
    release: Release


class PowerCapRule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="power_cap"):
    """How a circuit's own limit is kept. The limit itself is always in force."""

    id: Id
    arm: Arm | None = None
    circuit: Id
    margin_kw: Annotated[PowerKwOrNone, Meta(description="kW kept free below the limit", examples=[80])] = 0.0


class CommandRule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="command"):
    """How signed commands are obeyed. Without this rule they are, by the site's control."""

    id: Id
    arm: Arm | None = None
    circuit: Annotated[Id, Meta(description="left out: every circuit")] | None = None


RuleTable = UnderFrequencyRule | PowerCapRule | CommandRule


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
            extra=_at_least('use at most three names joined by /, without + # or spaces, such as "ballast"'),
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
        int, Meta(ge=1, le=1_000_000, description="MiB that may wait; kept in bounded memory, not yet on disk")
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
    miners: tuple[MinersWritten, ...] = ()
    rule: tuple[RuleTable, ...] = ()
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
    miners: tuple[MinersTable, ...] = ()
    rules: tuple[RuleTable, ...] = ()
    mqtt: MqttTable | None = None
    telemetry: TelemetryTable = TelemetryTable()
    keys: KeysTable = KeysTable()

    def acts(self, rule: RuleTable) -> bool:
        """Whether the rule's decisions are carried out: the site acts, and the rule is not told to observe."""
        return self.site.control == "act" and rule.arm != "observe"
