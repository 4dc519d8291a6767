"""Whether a scenario can be played on a rig and on this machine; and the namespaces that some need.

    network   half_open and loss drop packets by nftables, in a network namespace of the scenario's own
    disk      fill_disk fills a small tmpfs that is mounted over the agent's state_dir, in a mount namespace of its own
    clock     step_clock moves the agent's wall clock by a library that is loaded before libc (clock.c says how far that
              goes): a time namespace does not cover CLOCK_REALTIME, and the machine's own clock is everybody's

Namespaces are had as root, or as anybody where the kernel lets users make their own.
"""

import functools
import os
import shutil
import subprocess
from collections.abc import Iterable

from hil.rig_file import RigFile
from hil.rig_protocols import PlayedRig
from hil.scenario import verbs
from hil.scenario.file import Scenario
from hil.scenario.seen import LADDER, expand


def namespaces(scenario: Scenario) -> tuple[str, ...]:
    """What `unshare` has to give it."""
    network = ("--net",) if scenario.does(*verbs.NETWORK) else ()
    return (*network, *(("--mount",) if scenario.does(*verbs.DISK) else ()))


def prefix(scenario: Scenario) -> list[str]:
    """The command before the one that plays it."""
    wanted = namespaces(scenario)
    return [*_unshare(wanted), "--"] if wanted else []


def not_here(scenario: Scenario) -> str:
    """Why this machine can't play it; "" when it can."""
    wanted = namespaces(scenario)
    if wanted:
        tried = subprocess.run([*_unshare(wanted), "--", "true"], capture_output=True, text=True, check=False)
        if tried.returncode != 0:
            return f"no namespaces ({tried.stderr.strip()}); run it as root, or allow users their own"
    if scenario.does(*verbs.NETWORK) and not shutil.which("nft", path=_path()):
        return "no nft; packaging/setup.sh debian installs nftables"
    if (scenario.does(*verbs.CLOCK) or scenario.floor) and not shutil.which("cc"):
        return "no C compiler; packaging/setup.sh debian installs gcc"
    if scenario.head.uplink and not shutil.which("mosquitto", path=_path()):
        return "no mosquitto; packaging/setup.sh debian installs it"
    return ""


def not_on_this_rig(scenario: Scenario, rig: PlayedRig, file: RigFile) -> str:
    """Why this rig can't play it: a verb or a sight that a device lacks; "" when it can."""
    main = file.meter[0].id if file.meter else ""
    if not main:
        return "it uses no meter, and the circuit needs one"
    if unknown := _unknown_loads(scenario, file):
        return unknown
    asked = [(entry.do, device) for entry in scenario.at for device in _devices(entry.do, entry.arguments, main, file)]
    for expectation in scenario.expect:
        for sight in expectation.sights:
            asked += [(sight, device) for device in _seen_at(sight, main, file)]
    for verb, device in asked:
        if lacking := rig.lacks(verb, device):
            return lacking
    if scenario.floor and (file.real or sum(group.count for group in file.miners) > 250):
        return "the floor speaks to stand-ins alone, at most 250 of them"
    return ""


def _unknown_loads(scenario: Scenario, file: RigFile) -> str:
    """Where it names loads that this rig does not have; "" when it names none of these."""
    loads = loads_of(file, {group.id: tuple(f"{group.id}/{at}" for at in range(group.count)) for group in file.miners})
    loads[LADDER] = loads["all"]  # as many, in an order of the agent's
    named = [
        (f"[[at]] {number} ({entry.do})", where, key)
        for number, entry in enumerate(scenario.at, 1)
        for where in (entry.arguments, getattr(entry.arguments, "until", None))
        for key in ("miners", "on", "off", "told_on", "told_off")
    ]
    named += [(f"[[expect]] {number}", one, "loads") for number, one in enumerate(scenario.expect, 1)]
    for place, where, key in named:
        value = getattr(where, key, None)
        for name in [value] if isinstance(value, str) else value if isinstance(value, list | tuple) else []:
            try:
                expand(name, loads)
            except ValueError as error:
                return f"{place}, `{key}`: {error}"
    return ""


def _devices(verb: str, arguments: object, main: str, file: RigFile) -> tuple[str, ...]:
    names = getattr(arguments, "miners", None)
    if names is not None:
        groups = {part.name: group.id for group in file.miners for part in group.parts}
        groups |= {group.id: group.id for group in file.miners}
        whose = {groups.get(name.partition(":")[0], "") for name in names} - {""}
        return tuple(whose or (group.id for group in file.miners))
    return verbs.device_of(verb, arguments, main)  # type: ignore[arg-type]


def _seen_at(sight: str, main: str, file: RigFile) -> Iterable[str]:
    if sight == "power":
        return (main,)
    if sight == "poles":
        return (gear.id for gear in file.switchgear)
    if sight == "limits":
        return (gpus.id for gpus in file.gpus)
    if sight == "rounds":
        return (tank.id for tank in file.tank)
    if sight == "traffic":
        return (device.id for device in file.devices)
    return (group.id for group in file.miners)


@functools.cache
def _unshare(wanted: tuple[str, ...]) -> list[str]:
    user = () if os.getuid() == 0 else ("--user", "--map-root-user")
    return ["unshare", *user, *wanted]


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def loads_of(file: RigFile, miners: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """What names of loads stand for on a rig: "all", groups, parts."""
    loads = {"all": tuple(address for group in file.miners for address in miners[group.id]), **miners}
    for group in file.miners:
        first = 1
        for part in group.parts:
            loads[part.name] = expand(f"{group.id}:{first}-{first + part.count - 1}", loads)
            first += part.count
    return loads
