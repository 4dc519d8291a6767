"""Links: where they go, that no two go to one place, and that no two devices on one are the same unit."""

from agent.config.devices import MeterTable, PlcTable
from agent.config.lines import Path
from agent.config.reading import Draft
from agent.config.urls import NoEndpoint, endpoint_of


def check_links(draft: Draft) -> None:
    """Every check of links; one that goes nowhere is left out of the draft."""
    reader = draft.reader
    seen: dict[str, str] = {}
    for path, link in tuple(draft.links):
        try:
            endpoint = endpoint_of(link.url)
        except NoEndpoint as error:
            reader.fault((*path, "url"), error.wrong, error.mend)
            draft.links.remove((path, link))
            continue
        other = seen.setdefault(endpoint.place, link.id)
        if other != link.id:
            mend = "one link for each endpoint: put its devices on the other one"
            reader.fault((*path, "url"), f'the same endpoint as link "{other}"', mend)
        written = reader.raw["link"][path[1]]
        if link.rtu and written.get("connections", 1) != 1:
            wrong = "one line behind it: what is asked on a second connection meets the answers of the first"
            reader.fault((*path, "connections"), wrong, "take it out, or write 1")
        if link.rtu and link.ignore_tid:
            mend = "take it out: only Modbus TCP has transaction ids"
            reader.fault((*path, "ignore_tid"), "without effect on RTU frames", mend)
    _check_units(draft)


def _check_units(draft: Draft) -> None:
    seen: dict[tuple[str, int], tuple[str, str]] = {}
    rows: list[tuple[str, Path, MeterTable | PlcTable]] = [("meter", path, meter) for path, meter in draft.meters]
    rows += (("plc", path, plc) for path, plc in draft.plcs)
    for table, path, device in rows:
        other, name = seen.setdefault((device.link, device.unit_id), (table, device.id))
        if (other, name) != (table, device.id):
            wrong = f'the same unit on the same link as {other} "{name}"'
            draft.reader.fault((*path, "unit_id"), wrong, "give each device its own unit_id, or take one out")
