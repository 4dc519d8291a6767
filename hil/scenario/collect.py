"""What a stage has seen, put into the structure that expectations are judged by."""

from typing import Any

from hil.scenario.seen import Refresh, Sample, Seen, SeenRecord, Sent
from hil.scenario.stage import Stage


def collect(stage: Stage, start_ns: int, end_ns: int, moments: dict[str, float]) -> Seen:
    """Everything up to now; times count from start_ns."""

    def since(at_ns: int) -> float:
        return (at_ns - start_ns) / 1e9

    stamps, traffic = stage.rig.stamps(), stage.rig.traffic()
    records = [] if stage.ears is None else stage.ears.records()
    missing = [] if stage.ears is None else stage.ears.missing()
    refused = [] if stage.ears is None else stage.ears.refused()
    return Seen(
        end_s=since(end_ns),
        moments=moments,
        loads=stage.loads,
        refreshes=_refreshes(stage, stamps, start_ns),
        samples=tuple(_samples(stage, start_ns)),
        told={miner: tuple((since(at_ns), step) for at_ns, step in told) for miner, told in stamps["miners"].items()},
        records=tuple(SeenRecord(since(one.received_ns), one.channel, one.body) for one in records),
        refused=tuple(line for line in refused if line not in missing),
        missing=tuple(missing),
        uplink=stage.ears is not None,
        commands={name: Sent(one.id, one.digest) for name, one in stage.commands.items()},
        writes={
            device: len(seen["writes"])
            for kind in ("meters", "plcs", "miners")
            for device, seen in traffic[kind].items()
        },
        functions={
            device: tuple(seen["functions"]) for kind in ("meters", "plcs") for device, seen in traffic[kind].items()
        },
        coils=_coils(stage, stamps, start_ns),
        moves={
            name: tuple((since(at_ns), closed) for at_ns, moved, closed in plc.get("moves", ()) if moved == name)
            for plc in stamps["plcs"].values()
            for name in {moved for _, moved, _ in plc.get("moves", ())}
        },
        status=stage.last_status,
        words=stage.agent.words(),
        exits=tuple(stage.exits),
        load_kw=stage.file.figures.get("load_kw", 0.0),
    )


def _refreshes(stage: Stage, stamps: dict[str, Any], start_ns: int) -> tuple[Refresh, ...]:
    """Of the main meter; of a real one, what was read of it."""
    main = stage.file.meter[0]
    if main.real:
        return tuple(
            Refresh((truth.at_ns - start_ns) / 1e9, None, truth.watts, truth.hertz) for truth, _ in stage.samples
        )
    return tuple(
        Refresh(
            (row["changed_ns"] - start_ns) / 1e9,
            None if row["served_ns"] is None else (row["served_ns"] - start_ns) / 1e9,
            row["watts"],
            row["hertz"],
        )
        for row in stamps["meters"][main.id]
    )


def _samples(stage: Stage, start_ns: int) -> list[Sample]:
    return [
        Sample(
            at_s=(truth.at_ns - start_ns) / 1e9,
            watts=truth.watts,
            hertz=truth.hertz,
            on=truth.on,
            contactors=truth.contactors,
            limits_w=truth.limits_w,
            tanks=truth.tanks,
            **told,
        )
        for truth, told in stage.samples
    ]


def _coils(stage: Stage, stamps: dict[str, Any], start_ns: int) -> dict[str, tuple[tuple[float, bool], ...]]:
    found = {}
    for contactor in stage.file.contactor:
        written = stamps["plcs"].get(contactor.switchgear, {}).get("coils", ())
        found[contactor.id] = tuple(
            ((at_ns - start_ns) / 1e9, value) for at_ns, coil, value in written if coil == contactor.coil
        )
    return found
