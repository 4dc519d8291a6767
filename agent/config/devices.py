"""What hangs on the field bus, as written in site.toml: [[link]], [[meter]], [[plc]] and [[contactor]].

A tank is a [[plc]] with a cooling rule. A contactor feeds loads and is not one: it is asked for when the loads
themselves were asked and did not follow (use = "last"), or at once by rules that must be faster than they can be.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from agent.config.urls import Endpoint, SerialLine, endpoint_of
from agent.config.values import Bit, Id, PollMs, ProfileName, Seconds, Text, UnitId


class LinkTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One Modbus endpoint or serial line; one task owns it."""

    id: Id
    url: Annotated[
        Text,
        Meta(
            description="tcp://ADDRESS:PORT, rtu+tcp://ADDRESS:PORT, or rtu:///dev/… of a serial line",
            examples=["tcp://10.20.0.10:502"],
        ),
    ]
    connections: Annotated[
        int, Meta(ge=1, le=2, description="how many connections it takes from us; with 2, writes have their own")
    ] = 2
    ignore_tid: Annotated[
        bool, Meta(description="it answers with wrong transaction ids: match by unit, function and length")
    ] = False

    @property
    def endpoint(self) -> Endpoint:
        """Where it goes."""
        return endpoint_of(self.url)

    @property
    def host(self) -> str:
        """The endpoint's address; "" of a serial line."""
        return self.endpoint.host

    @property
    def port(self) -> int:
        """The endpoint's port; 502 of Modbus TCP unless the URL says otherwise; 0 of a serial line."""
        return self.endpoint.port

    @property
    def line(self) -> SerialLine | None:
        """The serial line, where it is one."""
        return self.endpoint.line

    @property
    def rtu(self) -> bool:
        """Whether its frames are RTU, which have no transaction id."""
        return self.endpoint.scheme != "tcp"

    @property
    def writes_apart(self) -> bool:
        """Whether writes have a connection of their own: on Modbus TCP, unless it takes only one."""
        return not self.rtu and self.connections > 1


class MeterTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One meter on a link."""

    id: Id
    link: Id
    unit_id: UnitId = 1
    profile: ProfileName
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


class PlcTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One PLC on a link: a tank's, a switchgear's. What it measures and says in bits is in its profile."""

    id: Id
    link: Id
    unit_id: UnitId = 1
    profile: ProfileName
    fast_ms: Annotated[PollMs, Meta(description="ms between polls of its fast points and bits", examples=[200])] = 200
    blind_after_s: Annotated[
        float, Meta(ge=0.5, le=60, description="s of silence until it counts as gone", examples=[2])
    ] = 2.0
    heartbeat_ms: (
        Annotated[
            int,
            Meta(ge=100, le=2000, description="ms between two beats; the PLC waits 10 s for one", examples=[500]),
        ]
        | None
    ) = None
    bits: Annotated[
        dict[Bit, Bit], Meta(max_length=256, description="this site's names for the profile's bits: name = bit")
    ] = {}


class Close(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is written to close and to open a contactor."""

    coil: Annotated[Bit, Meta(description="the profile's coil: 1 closes, 0 opens")]
    kind: Annotated[
        Literal["maintained", "pulse"],
        Meta(description="maintained: the coil holds it; pulse: the PLC makes a pulse of each write"),
    ] = "maintained"


class Feedback(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a contactor says of itself: its auxiliary contacts."""

    closed: Annotated[Bit, Meta(description="1 while closed (52a)")]
    open: Annotated[Bit, Meta(description="1 while open (52b)")] | None = None
    within_ms: Annotated[
        int, Meta(ge=20, le=10_000, description="ms until they must agree with the command", examples=[500])
    ] = 500


class Feeds(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which loads a contactor feeds: miners of a table, all or those of one string of its inventory; or GPUs."""

    miners: Annotated[Id, Meta(description="a [[miners]] table")] | None = None
    string: Annotated[Text, Meta(description="of these, those with this string in the inventory")] | None = None
    gpus: Annotated[Id, Meta(description="a [[gpus]] table")] | None = None


class ContactorTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One contactor: it feeds loads, and is opened when asking them was not enough."""

    id: Id
    plc: Id
    close: Close
    feedback: Feedback
    permit: Annotated[
        tuple[Bit, ...],
        Meta(
            min_length=1, max_length=32, description="bits that must all be 1 before it closes", examples=[["remote"]]
        ),
    ]
    feeds: Feeds
    use: Annotated[
        Literal["last", "first"],
        Meta(description="last: after its loads were asked; first: for rules that must be faster than they can be"),
    ] = "last"
    min_open_s: Annotated[Seconds, Meta(description="s open before it closes")] = 60.0
    operations_per_day_max: Annotated[
        int, Meta(ge=1, le=10_000, description="openings in 24 h; when they are used up it leaves the ladder")
    ] = 10
    on_silence: Annotated[Literal["open", "hold"], Meta(description="what the PLC does after 60 s without a heartbeat")]
