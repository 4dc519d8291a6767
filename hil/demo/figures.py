"""The figures of the demo's site and of its course, in one place. 60 miners, 50 Hz, one connection, one meter."""

from typing import Final

MINERS: Final = 60
RATED_W: Final = 3300.0
SLEEP_W: Final = 146.0  # hil/families.toml: an Avalon at idle
UNMETERED_W: Final = 6000.0
WANDER_W: Final = 300.0
LIMIT_KW: Final = 280.0

GPUS: Final = 4
GPU_FLOOR_W: Final = 350.0
GPU_FALLBACK_W: Final = 500.0
GPU_LOWEST_W: Final = 200.0  # the fake driver's smallest limit
TANK_MINERS: Final = 10  # the first ten, and the GPUs, are cooled by one tank
TANK_W: Final = 50_000.0
FLOW_LPM_MIN: Final = 60.0  # of 120 at nominal
SHED_FOR_MS: Final = 200
PERMIT_FOR_S: Final = 3.0
NO_FLOW_S: Final = 3.0
FED_MINERS: Final = 10  # the next ten hang behind one contactor
MIN_OPEN_S: Final = 5.0
LIE_HZ: Final = 49.3

NOMINAL_HZ: Final = 50.0
NOMINAL_LN_V: Final = 27_600.0
REFRESH_MS: Final = 200  # Janitza UMG 604: 200 ms measuring window
SHED_BELOW_HZ: Final = 49.50
SHED_KW: Final = 187.6  # all sixty are needed: 59 of them give up 186.1 kW, 60 give up 189.2
RELEASE_ABOVE_HZ: Final = 49.95
RELEASE_FOR_S: Final = 3.0
RAMP_UP_KW_PER_MIN: Final = 1200.0
FALLBACK_KW: Final = 60.0

FIRST: Final = "12:32:50"  # what is played of the recording, local time; the voltage is gone at 12:33:24
LAST: Final = "12:33:22"
COLLAPSE: Final = "12:33:20"  # the first sample below the threshold: 48.556 Hz
# Drawn after the last recorded sample, 47.476 Hz at 0.93 of nominal voltage: seconds, Hz, volts line to neutral.
RECOVERY: Final = ((1.0, 47.7, 26_600.0), (7.0, 50.0, 27_600.0))

CAP_KW: Final = 100.0
LEASE_S: Final = 15
VERIFY_S: Final = 12  # an Avalon stops 5 s after it is told, and its ramp takes up to 4.5 s
MIN_OFF_S: Final = 5
MIN_ON_S: Final = 5

SITE: Final = "demo-60"
AGENT: Final = "ctl-1"
ROOT: Final = "ballast"
CIRCUIT: Final = "poi"
TANK: Final = "tank-a"
SWITCHGEAR: Final = "switchgear"
CONTACTOR: Final = "a-east"
ISSUER: Final = "dispatch"
