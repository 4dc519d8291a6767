"""What `ballast check` says about an accepted site.toml: nothing here stops it, all of it should be known."""

from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from agent.cli.forecast import Forecast
from agent.cli.miners import warnings_of_miners
from agent.config import SiteFile
from drivers.profile import load_profile

PROTECTION: Final = (
    "Ballast is control, not protection: relays, breakers, hard-wired stops and PLC interlocks must suffice alone."
)
UNVERIFIED_SHOWN_MAX: Final = 12


def warnings_of(file: SiteFile, forecast: Forecast) -> Iterator[str]:
    """One sentence each; the most important first."""
    yield PROTECTION
    yield from _control(file)
    yield from _circuits(file, forecast)
    yield from _rules(file, forecast)
    yield from _meters(file)
    yield from _equipment(file, forecast)
    yield from warnings_of_miners(file)
    yield from _unverified(file)
    yield from _uplink(file)


def _control(file: SiteFile) -> Iterator[str]:
    if file.site.control == "observe":
        yield 'control = "observe": it decides and publishes, and writes nothing to any device.'
        for rule in file.rules:
            if rule.arm == "act":
                yield f'Rule "{rule.id}" has arm = "act", and observes all the same: the site\'s control is observe.'
    elif file.site.commissioned is None:
        yield 'control = "act" without `commissioned`: it starts only with `ballast run --uncommissioned`.'


def _circuits(file: SiteFile, forecast: Forecast) -> Iterator[str]:
    limits = {circuit.id: circuit.limit_kw for circuit in file.circuits}
    for row in forecast.circuits:
        if row.parent is not None and row.limit_kw > limits[row.parent]:
            yield (
                f'Circuit "{row.id}": its limit of {row.limit_kw:g} kW is above that of "{row.parent}" '
                f"({limits[row.parent]:g} kW), which binds first."
            )
        if row.rated_kw > row.limit_kw:
            yield (
                f'Circuit "{row.id}": everything running draws {row.rated_kw:g} kW, above its limit of '
                f"{row.limit_kw:g} kW; it will be capped all the time."
            )
        if row.meter is None:
            yield f'Circuit "{row.id}" has no meter: its power is worked out from its loads and marked estimated.'
    by_id = {circuit.id: circuit for circuit in file.circuits}
    for row in forecast.circuits:
        if row.meter is not None and by_id[row.id].ramp_down_kw_per_min is None:
            yield f'Circuit "{row.id}": no ramp_down_kw_per_min, so blind it goes to its fallback at once.'


def _rules(file: SiteFile, forecast: Forecast) -> Iterator[str]:
    for rule in forecast.rules:
        if rule.unmet_kw > 0:
            yield (
                f'Rule "{rule.id}" wants {rule.wanted_kw:g} kW shed and its loads give up {rule.shed_kw:g} kW: '
                f"{rule.unmet_kw:g} kW would be unmet."
            )
    if not forecast.ladder:
        yield "No loads: nothing can be shed."


def _meters(file: SiteFile) -> Iterator[str]:
    used = {circuit.meter for circuit in file.circuits} | {meter.backup for meter in file.meters}
    for meter in file.meters:
        if meter.id not in used:
            yield f'Meter "{meter.id}" measures no circuit and is no backup: it is only read and published.'
        if meter.fast_ms > meter.refresh_ms:
            yield (
                f'Meter "{meter.id}": polled every {meter.fast_ms} ms, less often than it renews its values '
                f"({meter.refresh_ms} ms); a third of that finds an edge sooner."
            )
    linked = {meter.link for meter in file.meters} | {plc.link for plc in file.plcs}
    for link in file.links:
        if link.id not in linked:
            yield f'Link "{link.id}" has no device on it and is not opened.'


def _equipment(file: SiteFile, forecast: Forecast) -> Iterator[str]:
    for tank in forecast.tanks:
        if not tank.loads and not tank.gpus:
            yield f'Tank "{tank.id}" cools nothing: its rule "{tank.rule}" stops nothing.'
        if not tank.acts and file.site.control == "act":
            yield f'Rule "{tank.rule}" observes: tank "{tank.id}" is left to its PLC alone.'
    for miners in file.miners:
        bare = sum(not host.tank for host in miners.hosts)
        if forecast.tanks and bare:
            yield f'Miners "{miners.id}": {bare} of them name no tank; nothing here stops these when cooling fails.'
    for row in forecast.gpus:
        if row.gpus is None:
            yield (
                f'GPUs "{row.id}": how many there are and what they draw is asked of gpud when the agent starts; '
                "they stand in no figure above."
            )
    used = {contactor.plc for contactor in file.contactors} | {tank.id for tank in forecast.tanks}
    for plc in file.plcs:
        if plc.id not in used:
            yield f'PLC "{plc.id}" has no contactor and no cooling rule: it is only read and published.'


def _unverified(file: SiteFile) -> Iterator[str]:
    """Registers that nobody has seen in the maker's own document nor on a device."""
    devices = [(meter.id, meter.profile) for meter in file.meters] + [(plc.id, plc.profile) for plc in file.plcs]
    for device, name in devices:
        profile = load_profile(name)
        names = [point.name for point in profile.points if point.unverified]
        names += (bit.name for bit in profile.bits if bit.unverified)
        names += (coil.name for coil in profile.coils if coil.unverified)
        if names:
            shown = ", ".join(names[:UNVERIFIED_SHOWN_MAX])
            more = f" and {len(names) - UNVERIFIED_SHOWN_MAX} more" if len(names) > UNVERIFIED_SHOWN_MAX else ""
            yield (
                f'"{device}": unverified in profile "{profile.name}": {shown}{more}; '
                "compare each with the device's own display before it is relied on."
            )


def _uplink(file: SiteFile) -> Iterator[str]:
    mqtt = file.mqtt
    if mqtt is None:
        yield "No [mqtt]: nothing is published and no command is heard."
        return
    if not mqtt.tls and not _is_loopback(mqtt.host):
        yield "mqtt:// is not encrypted: records and commands stay signed, but anybody on the way can read them."
    for key, name in (("mqtt.ca", mqtt.ca), ("mqtt.cert", mqtt.cert), ("mqtt.key", mqtt.key)):
        if name is not None and not Path(name).exists():
            yield f"{key}: no file at {name} on this machine; without it the broker is not reached."
    if file.keys.agent is None:
        yield f"No keys.agent: a key is made in {file.site.state_dir} and its fingerprint logged."
    elif not Path(file.keys.agent).exists():
        yield f"keys.agent: no file at {file.keys.agent} on this machine; `ballast keygen` makes one."
    if not Path(file.keys.keyring).exists():
        yield f"keys.keyring: no file at {file.keys.keyring} on this machine; without it every command is refused."


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
