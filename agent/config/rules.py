"""The rules, as written in site.toml: [[rule]] by their kind."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from agent.config.values import Arm, Hz, Id, PlcBit, PowerKw, PowerKwOrNone, Seconds, Text, at_least


class Release(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What must hold, and how long, before a frequency event returns."""

    above_hz: Hz
    for_s: Annotated[Seconds, Meta(description="s without interruption", examples=[900])]


class EventLimits(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much of a contract is given at most."""

    per_day: Annotated[int, Meta(ge=1, le=100, description="events in 24 h; then it is unavailable, and says so")]
    hours_each: (
        Annotated[float, Meta(gt=0, le=168, description="h of one event at most; then its loads return")] | None
    ) = None


class UnderFrequencyRule(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="under_frequency"
):
    """Sheds when the grid's frequency falls through a threshold."""

    id: Id
    preset: Annotated[Text, Meta(description="a programme's figures, where this rule writes none")] | None = None
    arm: Arm | None = None
    circuit: Id
    when: Annotated[
        Literal["tied", "island", "any"],
        Meta(description="what the site must be for a shed to begin; without islanded_when it is tied"),
    ] = "tied"
    shed_below_hz: Annotated[Hz, Meta(description="sheds on the crossing from at or above to below", examples=[59.7])]
    confirm_refreshes: Annotated[
        int, Meta(ge=1, le=10, description="distinct refreshes of the meter that must agree")
    ] = 1
    shed_kw: Annotated[PowerKw, Meta(description="kW below what it drew before the crossing; or to_kw")] | None = None
    to_kw: Annotated[PowerKwOrNone, Meta(description="the net kW to go to; or shed_kw")] | None = None
    release: Release
    event_limits: Annotated[EventLimits, Meta(description="left out: none")] | None = None


class PowerCapRule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="power_cap"):
    """How a circuit's own limit is kept. The limit itself is always in force."""

    id: Id
    arm: Arm | None = None
    circuit: Id
    margin_kw: Annotated[PowerKwOrNone, Meta(description="kW kept free below the limit", examples=[80])] = 0.0


class DemandWindowRule(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="demand_window"
):
    """How a circuit's demand_kw is kept. The demand itself is always in force."""

    id: Id
    arm: Arm | None = None
    circuit: Id
    margin_kw: Annotated[PowerKwOrNone, Meta(description="kW kept free below demand_kw", examples=[50])] = 0.0
    interval: Annotated[
        Literal["clock", "pulse", "sliding"],
        Meta(description="when windows begin: by the clock, with the utility's contact, or every one counts"),
    ] = "clock"
    pulse: Annotated[PlcBit, Meta(description="PLC.BIT of the utility's contact; of pulse")] | None = None


Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri")
ClockTime = Annotated[
    str,
    Meta(
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$",
        description="HH:MM of the site's own day",
        examples=["16:30"],
        extra=at_least('write hours and minutes, such as "16:30"'),
    ),
]


class Hours(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A time of day, on some days. An end before its begin is after midnight."""

    start: ClockTime = field(name="from")
    end: ClockTime = field(name="to")
    days: (
        Annotated[tuple[Day, ...], Meta(min_length=1, max_length=7, description="left out: Monday to Friday")] | None
    ) = None


class ScheduleRule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="schedule"):
    """Goes to to_kw at set times of the site's own day."""

    id: Id
    arm: Arm | None = None
    circuit: Id
    to_kw: Annotated[PowerKwOrNone, Meta(description="the net kW to go to")]
    hours: Annotated[tuple[Hours, ...], Meta(min_length=1, max_length=50, description="the times")]


class CoincidentPeakRule(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="coincident_peak"
):
    """Keeps the draw low in the hours in which the grid's highest interval of a month is likely."""

    id: Id
    arm: Arm | None = None
    circuit: Id
    to_kw: Annotated[PowerKwOrNone, Meta(description="the net kW to go to")]
    hours: Annotated[tuple[Hours, ...], Meta(min_length=1, max_length=50, description="the times")]
    months: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=12)], ...],
        Meta(min_length=1, max_length=12, description="months of the year; ERCOT's are June to September"),
    ] = (6, 7, 8, 9)


class CommandRule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="command"):
    """How signed commands are obeyed. Without this rule they are, by the site's control."""

    id: Id
    arm: Arm | None = None
    circuit: Annotated[Id, Meta(description="left out: every circuit")] | None = None


class CommsLossRule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="comms_loss"):
    """What becomes of limits from outside while the broker is away."""

    id: Id
    arm: Arm | None = None
    circuit: Annotated[Id, Meta(description="what goes to its fallback_kw; left out: the root")] | None = None
    after_s: Annotated[Seconds, Meta(description="s without the broker", examples=[3600])]
    then: Annotated[
        Literal["hold", "release", "fallback"],
        Meta(
            description="hold: the limits in force when it was lost; release: none of them; "
            "fallback: the circuit's fallback_kw"
        ),
    ]
    hold_max_s: Annotated[
        float, Meta(ge=1, le=2_592_000, description="s from the loss on, at most; of hold", examples=[86400])
    ] = 86400.0


class _CoolingKeys(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    id: Id
    arm: Arm | None = None
    circuit: Annotated[Id, Meta(description="for people; the rule acts on what the tank cools")] | None = None
    plc: Annotated[Id, Meta(description="the tank's [[plc]]")]


_Returns = Annotated[
    int, Meta(ge=0, le=24, description="returns by itself in 24 h; then it stays off until acknowledged on site")
]


class CoolingWritten(
    _CoolingKeys, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="cooling"
):
    """Takes what a tank cools to its lowest step. Its figures come from the tank's maker; there is no default.

    In each of the three tables a key is a point of the PLC with _above or _below behind it, but for the time.
    """

    shed: Annotated[
        dict[str, float],
        Meta(
            description="POINT_above or POINT_below = value, and for_ms: any of them passed sheds",
            examples=[{"vapor_pressure_kpa_g_above": 6.0, "for_ms": 200}],
        ),
    ]
    warn: Annotated[
        dict[str, float],
        Meta(description="the same with for_s: any of them passed is an alarm, and nothing rises"),
    ]
    permit: Annotated[
        dict[str, float],
        Meta(
            description="the same with for_s: only with all of them kept loads rise",
            examples=[{"vapor_pressure_kpa_g_below": 3.0, "for_s": 60}],
        ),
    ]
    auto_returns_per_day: _Returns = 1


class Threshold(Struct, frozen=True):
    """One value of a cooling rule: of shed and warn, what is passed; of permit, what is kept."""

    point: str
    above: bool
    value: float


class CoolingRule(_CoolingKeys, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="cooling"):
    """A cooling rule with its values resolved."""

    shed: tuple[Threshold, ...]
    shed_for_ms: int
    warn: tuple[Threshold, ...]
    warn_for_s: float
    permit: tuple[Threshold, ...]
    permit_for_s: float
    auto_returns_per_day: _Returns


RuleWritten = (
    UnderFrequencyRule
    | PowerCapRule
    | DemandWindowRule
    | ScheduleRule
    | CoincidentPeakRule
    | CommandRule
    | CommsLossRule
    | CoolingWritten
)
RuleTable = (
    UnderFrequencyRule
    | PowerCapRule
    | DemandWindowRule
    | ScheduleRule
    | CoincidentPeakRule
    | CommandRule
    | CommsLossRule
    | CoolingRule
)
