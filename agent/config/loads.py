"""What can give up watts, as written in site.toml: [[miners]] and [[gpus]]."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from agent.config.values import FilePath, GpuW, Id, LoadW, Seconds, Text, ValuePerMwh, at_least
from drivers.miners.dialect import Account, Dialect, Secret
from drivers.miners.families import FAMILIES, speak

UNIX: Final = "unix:"


Port = Annotated[int, Meta(ge=1, le=65_535, description="TCP port of the miners' API")]


class Miner(Struct, frozen=True, kw_only=True):
    """One miner of a [[miners]] table; its load's name is TABLE/ADDRESS."""

    address: str
    label: str = ""
    model: str = ""
    rated_w: float
    string: str = ""  # what feeds it: a contactor's `feeds` names it
    tank: str = ""  # what cools it: of the inventory, else the table's `cooling`


class _MinersKeys(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    id: Id
    circuit: Id
    family: Annotated[Text, Meta(description="the firmware's dialect", examples=["avalon"])]
    port: Port | None = None
    control_port: Annotated[int, Meta(ge=1, le=65_535, description="TCP port of their second interface")] | None = None
    user: Annotated[Text, Meta(description="who logs on, where the family asks for one")] | None = None
    password: (
        Annotated[
            FilePath,
            Meta(
                description="credential:NAME, or the path of a file that holds it alone; never the password itself",
                examples=["credential:miners-a"],
            ),
        ]
        | None
    ) = None
    unverified_control: Annotated[bool, Meta(description="control a family whose verbs no device has proven")] = False
    rated_w: Annotated[LoadW, Meta(description="W of one miner where the inventory says nothing")] | None = None
    sleep_w: Annotated[float, Meta(ge=0, le=10_000, description="W of one miner asleep", examples=[25])]
    value_usd_per_mwh: ValuePerMwh = 0.0
    min_off_s: Annotated[Seconds, Meta(description="s down before a raise")] = 300.0
    min_on_s: Annotated[Seconds, Meta(description="s up before money or a command may lower it")] = 120.0
    poll_s: Annotated[float, Meta(ge=1, le=600, description="s between polls of one miner's state")] = 10.0
    cooling: Annotated[Id, Meta(description="the tank's [[plc]], where the inventory names none")] | None = None


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
    port: int

    def dialect(self, *, acts: bool) -> Dialect:
        """How these are spoken to by who has the password, where one is named."""
        password = None if self.password is None else Secret()
        return speak(self.family, Account(self.user or "", password, acts, self.unverified_control), self.control_port)

    @property
    def asleep_kw(self) -> float:
        """The least that they draw together: asleep where they can be told, else as ever."""
        if self.family not in FAMILIES or len(self.dialect(acts=True).steps) > 1:  # a wrong one has a fault of its own
            return len(self.hosts) * self.sleep_w / 1000
        return sum(miner.rated_w for miner in self.hosts) / 1000

    def load_id(self, miner: Miner) -> str:
        """What the miner is called everywhere: a/10.20.1.17."""
        return f"{self.id}/{miner.address}"


Uuid = Annotated[
    str,
    Meta(
        pattern=r"^GPU-[0-9a-fA-F-]{4,60}$",
        description="a GPU's UUID, as `nvidia-smi -L` lists it",
        extra=at_least("write it as `nvidia-smi -L` lists it: GPU-…"),
    ),
]


class GpusTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """GPUs of one host on one circuit, by way of the `ballast gpud` that runs there."""

    id: Id
    circuit: Id
    at: Annotated[Text, Meta(description="unix:PATH of gpud's socket", examples=["unix:/run/ballast/gpud.sock"])]
    select: Annotated[Literal["all"] | tuple[Uuid, ...], Meta(description='"all", or a list of GPU UUIDs')] = "all"
    floor_w: Annotated[GpuW, Meta(description="W of one GPU, not below this for anything but protection")]
    fallback_w: Annotated[GpuW, Meta(description="where its limit goes when the agent is gone, never upwards")]
    value_usd_per_mwh: ValuePerMwh = 0.0
    cooling: Annotated[Id, Meta(description="the tank's [[plc]]")] | None = None

    @property
    def floor_kw(self) -> float:
        """What the GPUs listed draw at their floor; 0 of "all", as only their gpud knows how many those are."""
        return 0.0 if self.select == "all" else len(self.select) * self.floor_w / 1000

    @property
    def socket(self) -> str:
        """The path of gpud's socket."""
        return self.at.removeprefix(UNIX)

    def load_id(self, uuid: str) -> str:
        """What a GPU is called everywhere: r1/GPU-…"""
        return f"{self.id}/{uuid}"
