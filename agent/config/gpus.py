"""GPUs: where their gpud is, that none stands twice, and the order of their watts."""

from agent.config.lines import Path
from agent.config.loads import UNIX
from agent.config.reading import Draft


def check_gpus(draft: Draft) -> None:
    """Every check of [[gpus]] by themselves."""
    whole: dict[str, str] = {}  # gpud -> the table that has all of its GPUs
    single: dict[tuple[str, str], str] = {}  # gpud and UUID -> its table
    limits = {circuit.id: circuit.limit_kw for _, circuit in draft.circuits}
    for path, gpus in draft.gpus:
        if not gpus.at.startswith(UNIX) or len(gpus.at) == len(UNIX):
            draft.reader.fault((*path, "at"), "not a unix: path", 'write "unix:PATH" of the socket of `ballast gpud`')
        if gpus.fallback_w < gpus.floor_w:
            mend = f"write {gpus.floor_w:g} or more"
            draft.reader.fault((*path, "fallback_w"), "below floor_w", mend)
        if gpus.floor_w / 1000 > limits.get(gpus.circuit, float("inf")):
            wrong = f"one GPU at this is above limit_kw of its circuit ({limits[gpus.circuit]:g})"
            draft.reader.fault((*path, "floor_w"), wrong, "lower it, or name another circuit")
        known = whole.get(gpus.at)
        if known is None and gpus.select == "all":
            known = next((table for (at, _), table in single.items() if at == gpus.at), None)
        if known is not None:
            wrong = f'[[gpus]] "{known}" has GPUs of this gpud, and one of the two has all'
            draft.reader.fault((*path, "select"), wrong, "list the UUIDs in both")
        if gpus.select == "all":
            whole.setdefault(gpus.at, gpus.id)
            continue
        if not gpus.select:
            draft.reader.fault((*path, "select"), "empty", 'write "all", or list UUIDs from `nvidia-smi -L`')
        _check_uuids(draft, path, gpus.select, gpus.at, gpus.id, single)


def _check_uuids(
    draft: Draft, path: Path, uuids: tuple[str, ...], at: str, table: str, single: dict[tuple[str, str], str]
) -> None:
    for place, uuid in enumerate(uuids):
        if (at, uuid) in single:
            wrong = f'it stands in [[gpus]] "{single[at, uuid]}" already'
            draft.reader.fault((*path, "select", place), wrong, "each GPU stands once; take one out")
        single.setdefault((at, uuid), table)
