"""The kinds of value that site.toml's keys have: names, texts, paths, watts, times, with their ranges and mends."""

from typing import Annotated, Literal

from msgspec import Meta

MENDS = "mend"  # in Meta.extra: what to write instead, where the range alone does not say it


def at_least(least: str) -> dict[str, str]:
    """Meta.extra with a mend."""
    return {MENDS: least}


Id = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9-]{0,31}$",
        description="a name: a-z, 0-9 and -, at most 32 characters",
        extra=at_least("use lower-case letters, digits and -, at most 32, beginning with a letter or a digit"),
    ),
]
Bit = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9_]{0,31}$",
        description="a bit's or coil's name: a-z, 0-9 and _, at most 32 characters",
        extra=at_least("use lower-case letters, digits and _, at most 32, beginning with a letter"),
    ),
]
PlcBit = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9-]{0,31}\.[a-z0-9_]{1,32}$",
        description="PLC.BIT: a [[plc]] and one of its bits",
        examples=["switchgear.q52g_open"],
        extra=at_least('write a [[plc]] and one of its bits, such as "switchgear.q52g_open"'),
    ),
]
Text = Annotated[str, Meta(min_length=1, max_length=200)]
FilePath = Annotated[
    str,
    Meta(min_length=1, max_length=1000, description="a file's path; relative ones lie beside site.toml"),
]
UnitId = Annotated[int, Meta(ge=0, le=255, description="Modbus unit identifier")]
ProfileName = Annotated[Text, Meta(description="a profile's name, or the path of a profile's TOML file")]
PowerKw = Annotated[float, Meta(gt=0, le=1_000_000, description="kW, import positive", examples=[4000])]
PowerKwOrNone = Annotated[float, Meta(ge=0, le=1_000_000, description="kW, 0 or more", examples=[60])]
LoadW = Annotated[float, Meta(gt=0, le=100_000, description="W of one load", examples=[3250])]
GpuW = Annotated[float, Meta(ge=50, le=5_000, description="W of one GPU", examples=[350])]
ValuePerMwh = Annotated[
    float,
    Meta(ge=-100_000, le=100_000, description="what a MWh earns here: the cheap watts go first", examples=[95.0]),
]
Hz = Annotated[float, Meta(ge=45, le=65, description="Hz; outside 45 to 65 a frequency is never believed")]
PollMs = Annotated[int, Meta(ge=10, le=60_000, description="ms between two polls")]
Seconds = Annotated[float, Meta(ge=0, le=86_400, description="s, at most a day")]
Arm = Annotated[Literal["observe", "act"], Meta(description="observe: decide and publish; act: do it")]
