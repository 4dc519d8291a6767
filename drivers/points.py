"""The closed vocabulary of analogue points: every quantity a profile may name, and its unit.

A point's name ends in its unit, and a profile that names anything else is refused: rules, telemetry and the people on
site all speak these words. Power, energy and current direction: import (consumption) is positive. A PLC's bits are not
here, they are one site's wiring and are named in site.toml.
"""

from collections.abc import Mapping
from types import MappingProxyType

HEARTBEAT_ECHO = "heartbeat_echo"
PLC_COUNTER = "plc_counter"
COMM_TIMEOUT = "comm_timeout_s"

_PHASES = ("l1", "l2", "l3")
_PAIRS = ("l12", "l23", "l31")

# Tanks, coolant distribution units and dry coolers. Supply goes to what is cooled, return comes from it.
_COOLING = {
    **{f"{place}_c": "°C" for place in ("coolant", "coolant_supply", "coolant_return", "vapor", "tank_top")},
    **{f"{place}_c": "°C" for place in ("condenser_supply", "condenser_return", "ambient", "air_inlet")},
    **{f"{place}_flow_lpm": "l/min" for place in ("coolant", "condenser")},
    **{
        f"{place}_pct": "%" for place in ("coolant_level", "pump_speed", "pump_speed_set", "fan_speed", "fan_speed_set")
    },
    "vapor_pressure_kpa_g": "kPa",
    **{
        f"{place}_pressure_kpa": "kPa"
        for place in ("coolant_supply", "coolant_return", "filter_before", "filter_after")
    },
    **{f"pump_{pump}_rpm": "1/min" for pump in range(1, 5)},
    "power_permit_pct": "%",  # how much of its rated heat the plant will take
    "cooling_capacity_w": "W",
    "power_total_w": "W",  # a cooling unit's and what it feeds
    "voltage_input_v": "V",
}

POINTS: Mapping[str, str] = MappingProxyType(
    {
        "power_w": "W",
        **{f"power_{phase}_w": "W" for phase in _PHASES},
        "reactive_var": "var",
        "apparent_va": "VA",
        "power_factor": "1",
        "frequency_hz": "Hz",
        **{f"voltage_{phase}_v": "V" for phase in (*_PHASES, *_PAIRS)},
        **{f"current_{phase}_a": "A" for phase in _PHASES},
        "energy_import_wh": "Wh",
        "energy_export_wh": "Wh",
        **_COOLING,
        # What a PLC shows of its own life, where its profile has a [heartbeat].
        HEARTBEAT_ECHO: "1",
        PLC_COUNTER: "1",
        COMM_TIMEOUT: "s",
    }
)

# What changes when a meter's current transformers face the other way: these change their sign ...
SIGNED = frozenset({"power_w", *(f"power_{phase}_w" for phase in _PHASES), "reactive_var", "power_factor"})

# ... and these change places.
OPPOSITE: Mapping[str, str] = MappingProxyType(
    {"energy_import_wh": "energy_export_wh", "energy_export_wh": "energy_import_wh"}
)
