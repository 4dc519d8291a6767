"""docs/configuration.md says what is: its example is accepted, and every key is there with what happens without it."""

import re
from pathlib import Path

import msgspec
import pytest

from agent.config import load
from agent.config.devices import Close, ContactorTable, Feedback, Feeds, LinkTable, MeterTable, PlcTable
from agent.config.faults import shown
from agent.config.loads import GpusTable, MinersWritten
from agent.config.rules import (
    CoincidentPeakRule,
    CommandRule,
    CommsLossRule,
    CoolingWritten,
    DemandWindowRule,
    EventLimits,
    Hours,
    PowerCapRule,
    Release,
    ScheduleRule,
    UnderFrequencyRule,
)
from agent.config.tables import (
    CircuitTable,
    EnterServiceTable,
    EnterServiceWindow,
    KeysTable,
    MaintenanceTable,
    MqttTable,
    RideThroughTable,
    SiteTable,
    TelemetryTable,
)
from tests.config.sites import written

DOCS = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")

SECTIONS: dict[str, type[msgspec.Struct]] = {
    "[site]": SiteTable,
    "[[circuit]]": CircuitTable,
    "[[link]]": LinkTable,
    "[[meter]]": MeterTable,
    "[[plc]]": PlcTable,
    "[[miners]]": MinersWritten,
    "[[gpus]]": GpusTable,
    "[[contactor]]": ContactorTable,
    "close = { … } of [[contactor]]": Close,
    "feedback = { … } of [[contactor]]": Feedback,
    "feeds = { … } of [[contactor]]": Feeds,
    '[[rule]] kind = "under_frequency"': UnderFrequencyRule,
    "release = { … } of under_frequency": Release,
    "event_limits = { … } of under_frequency": EventLimits,
    '[[rule]] kind = "power_cap"': PowerCapRule,
    '[[rule]] kind = "demand_window"': DemandWindowRule,
    '[[rule]] kind = "schedule"': ScheduleRule,
    "hours = [{ … }] of schedule and coincident_peak": Hours,
    '[[rule]] kind = "coincident_peak"': CoincidentPeakRule,
    '[[rule]] kind = "cooling"': CoolingWritten,
    '[[rule]] kind = "command"': CommandRule,
    '[[rule]] kind = "comms_loss"': CommsLossRule,
    "[ride_through]": RideThroughTable,
    "[enter_service]": EnterServiceTable,
    "window = { … } of [enter_service]": EnterServiceWindow,
    "[[maintenance]]": MaintenanceTable,
    "[mqtt]": MqttTable,
    "[telemetry]": TelemetryTable,
    "[keys]": KeysTable,
}

WORKED_OUT = {  # from the profile, or key by key, whatever the Struct says
    ("[[meter]]", "fast_ms"),
    ("[[meter]]", "refresh_ms"),
    ("[enter_service]", "window"),
}


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_is_in_the_docs_with_what_happens_without_it(section: str) -> None:
    text = DOCS.split(f"\n## {section}\n")[1].split("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", text, re.MULTILINE))
    fields = {field.encode_name: field for field in msgspec.structs.fields(SECTIONS[section])}

    assert list(rows) == list(fields)
    for name, field in fields.items():
        assert (rows[name] == "must be written") is field.required, name
        if (
            not field.required
            and field.default not in (None, (), msgspec.NODEFAULT)
            and (section, name) not in WORKED_OUT
        ):
            assert rows[name] == f"`{shown(field.default)}`", name


def test_the_example_in_the_docs_is_accepted(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", DOCS, re.DOTALL)

    site = load(written(tmp_path, example))

    assert (site.site.control, site.mqtt, len(site.miners[0].hosts)) == ("observe", None, 60)
