"""site.toml to frozen Structs, every cross-check, and errors that name file, line, table, key and the mend."""

from agent.config.devices import Close, ContactorTable, Feedback, Feeds, LinkTable, MeterTable, PlcTable
from agent.config.faults import ConfigErrors, Fault
from agent.config.load import load
from agent.config.loads import GpusTable, Miner, MinersTable
from agent.config.rules import (
    CoincidentPeakRule,
    CommandRule,
    CommsLossRule,
    CoolingRule,
    DemandWindowRule,
    PowerCapRule,
    Release,
    RuleTable,
    ScheduleRule,
    Threshold,
    UnderFrequencyRule,
)
from agent.config.tables import (
    CircuitTable,
    JumpDown,
    KeysTable,
    MqttTable,
    SiteFile,
    SiteTable,
    TelemetryTable,
)
from agent.config.urls import Endpoint, SerialLine

__all__ = [
    "CircuitTable",
    "Close",
    "CoincidentPeakRule",
    "CommandRule",
    "CommsLossRule",
    "ConfigErrors",
    "ContactorTable",
    "CoolingRule",
    "DemandWindowRule",
    "Endpoint",
    "Fault",
    "Feedback",
    "Feeds",
    "GpusTable",
    "JumpDown",
    "KeysTable",
    "LinkTable",
    "MeterTable",
    "Miner",
    "MinersTable",
    "MqttTable",
    "PlcTable",
    "PowerCapRule",
    "Release",
    "RuleTable",
    "ScheduleRule",
    "SerialLine",
    "SiteFile",
    "SiteTable",
    "TelemetryTable",
    "Threshold",
    "UnderFrequencyRule",
    "load",
]
