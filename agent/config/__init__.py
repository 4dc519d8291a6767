"""site.toml to frozen Structs, every cross-check, and errors that name file, line, table, key and the mend."""

from agent.config.faults import ConfigErrors, Fault
from agent.config.load import load
from agent.config.tables import (
    CircuitTable,
    CommandRule,
    JumpDown,
    KeysTable,
    LinkTable,
    MeterTable,
    Miner,
    MinersTable,
    MqttTable,
    PowerCapRule,
    Release,
    RuleTable,
    SiteFile,
    SiteTable,
    TelemetryTable,
    UnderFrequencyRule,
)

__all__ = [
    "CircuitTable",
    "CommandRule",
    "ConfigErrors",
    "Fault",
    "JumpDown",
    "KeysTable",
    "LinkTable",
    "MeterTable",
    "Miner",
    "MinersTable",
    "MqttTable",
    "PowerCapRule",
    "Release",
    "RuleTable",
    "SiteFile",
    "SiteTable",
    "TelemetryTable",
    "UnderFrequencyRule",
    "load",
]
