"""What can happen to a site, and how it is mended.

A new mischief is a coroutine in one of these files, and its row here.
"""

from hil.soak.mischief.equipment import (
    condenser,
    gpu_ill,
    gpud_killed,
    interlock,
    liars_in_a_dip,
    panel_local,
    permit_lost,
    switchgear_link,
    switchgear_restarts,
    tank_link,
    tank_plc,
)
from hil.soak.mischief.kinds import Mischief
from hil.soak.mischief.loads import miners_dark, miners_ill, miners_lie, miners_move
from hil.soak.mischief.plant import (
    dead_bus,
    dip,
    meter_link,
    meter_shows,
    meters_away,
    over_limit,
    recording,
    shallow_dip,
    slope,
)
from hil.soak.mischief.programs import (
    agent_killed,
    agent_killed_in_a_dip,
    agent_stopped,
    bad_command,
    broker_away,
    broker_frozen,
    command,
    tagged,
)
from hil.soak.site import CONTACTOR, GROUP, TANK
from hil.soak.world import World

MISCHIEF: tuple[Mischief, ...] = (
    Mischief("dip", dip, frozenset({"grid"}), (1, 20), 2.0, "grid"),
    Mischief("slope", slope, frozenset({"grid"}), (1, 10), 1.0, "grid"),
    Mischief("recording", recording, frozenset({"grid"}), (1, 5), 0.5, "grid"),
    Mischief("shallow dip", shallow_dip, frozenset({"grid"}), (2, 20)),
    Mischief("dead bus", dead_bus, frozenset({"grid"}), (2, 10), 0.5, "shed"),
    Mischief("over limit", over_limit, frozenset({"power"}), (5, 30), 1.5, "shed"),
    Mischief("meter link", meter_link, frozenset({"meter"}), (0.5, 15), 2.0, "shed"),
    Mischief("meter shows", meter_shows, frozenset({"meter"}), (1, 15)),
    Mischief("meters away", meters_away, frozenset({"meter", "switchgear"}), (3, 20), 1.0, "shed"),
    Mischief("tank link", tank_link, frozenset({"tank"}), (0.5, 10), 1.0, "shed"),
    Mischief("tank plc", tank_plc, frozenset({"tank"}), (2, 15), 0.5, "shed"),
    Mischief("condenser", condenser, frozenset({"tank"}), (4, 15), 1.5, "shed"),
    Mischief("permit lost", permit_lost, frozenset({"tank"}), (3, 20)),
    Mischief("switchgear link", switchgear_link, frozenset({"switchgear"}), (0.5, 15), 1.0, "shed"),
    Mischief("switchgear restarts", switchgear_restarts, frozenset({"switchgear"}), (2, 4), 0.3, "shed"),
    Mischief("interlock", interlock, frozenset({"switchgear"}), (2, 10), 0.5, "shed"),
    Mischief("panel local", panel_local, frozenset({"switchgear"}), (3, 20), 0.5),
    Mischief("liars in a dip", liars_in_a_dip, frozenset({"grid", "switchgear", "east"}), (15, 30), 0.7, "grid"),
    Mischief("miners ill", miners_ill, frozenset({"ill"}), (3, 60), 3.0),
    Mischief("miners lie", miners_lie, frozenset({"east"}), (10, 60)),
    Mischief("miners dark", miners_dark, frozenset({"dark"}), (1, 30), 1.0, "shed"),
    Mischief("miners move", miners_move, frozenset({"dark"}), (3, 15), 1.0, "shed"),
    Mischief("gpu ill", gpu_ill, frozenset({"gpus"}), (3, 40), 2.0),
    Mischief("gpud killed", gpud_killed, frozenset({"gpus"}), (1, 1), 0.7),
    Mischief("broker away", broker_away, frozenset({"broker"}), (2, 40)),
    Mischief("broker frozen", broker_frozen, frozenset({"broker"}), (2, 40)),
    Mischief("agent killed", agent_killed, frozenset({"agent"}), (1, 1), 1.0, "shed"),
    Mischief("agent killed in a dip", agent_killed_in_a_dip, frozenset({"agent", "grid"}), (3, 10), 0.5, "grid"),
    Mischief("agent stopped", agent_stopped, frozenset({"agent"}), (0.5, 10), 0.3, "shed"),
    Mischief("command", command, frozenset({"command"}), (8, 40), 2.0, "shed"),
    Mischief("bad command", bad_command, frozenset({"bad command"}), (0, 0), 1.0),
    Mischief("tagged", tagged, frozenset({"people"}), (10, 60)),
)


async def mend(world: World) -> None:
    """Everything is well again, and people on site have done what only they can do."""
    for operation, arguments in (
        ("frequency", {"hz": 60.0}),
        ("bias", {"watts": 0.0}),
        ("lie", {"lie": "none"}),
        ("miner_fault", {"fault": "none"}),
        ("condenser_flow", {"plc": TANK, "lpm": None}),
    ):
        world.do(operation, **arguments)
    for program in ("gpud", "agent"):
        world.start(program)
    await world.untag_all()
    await look_after(world)


async def look_after(world: World) -> None:
    """A person on site: what latched is acknowledged, what was found off is released."""
    for verb, target in (("ack", TANK), ("ack", CONTACTOR), ("release", GROUP), ("release", CONTACTOR)):
        await world.person(verb, target)
