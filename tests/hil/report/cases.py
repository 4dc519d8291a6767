"""A run as the rig leaves it, worked out by hand: four scenarios, one of each verdict."""

import math
import random

from hil.results import Expectation, Latency, Moment, RunResult, ScenarioResult, Series, Verdict

_SHED_S = 20.0


def a_run(seed: int = 7, slower: float = 1.0, shed: Verdict = Verdict.PASSED) -> RunResult:
    """`slower` stretches the agent's times."""
    return RunResult(
        rig="stand-ins",
        started_utc="2026-01-31T12:00:00Z",
        wall_s=412.5,
        seed=seed,
        environment={"machine": "x86_64, 2 cores", "kernel": "6.1.0", "python": "3.11.2", "ballast": "0.1.0"},
        scenarios=(
            a_shed(seed, slower, shed),
            ScenarioResult(
                name="meter-freezes",
                title="A meter that repeats its last values is found out",
                stands_for="Invariant 2: the meter alive, or response 0 and an alarm",
                file="hil/scenarios/meter-freezes.toml",
                fast=True,
                verdict=Verdict.FAILED,
                why="alarm within 0.5 s: none",
                wall_s=31.0,
                seed=seed,
                expectations=(
                    Expectation("alarm", "an alarm names the meter", "within 0.5 s", "none in 30 s", ok=False),
                    Expectation("told", "nothing is shed", "0 loads told", "0 loads told", ok=True),
                ),
                moments=(Moment(5.0, "fault", "the meter freezes"),),
            ),
            ScenarioResult(
                name="genset-trips",
                title="A genset trips with forty loads on it",
                stands_for="Incident: an islanded set at 80 % load",
                file="hil/scenarios/genset-trips.toml",
                fast=False,
                verdict=Verdict.ERROR,
                why="the broker did not start",
                wall_s=3.25,
            ),
            ScenarioResult(
                name="packet-loss",
                title="2 % of packets are lost each way",
                stands_for="Figure: p99 250 ms with loss",
                file="hil/scenarios/packet-loss.toml",
                fast=False,
                verdict=Verdict.NOT_RUNNABLE,
                why="nftables needs root",
            ),
        ),
    )


def a_shed(seed: int, slower: float, verdict: Verdict) -> ScenarioResult:
    """A frequency falls, sixty miners are shed, and they return by ramp."""
    chance = random.Random(seed)
    at_s = tuple(round(index * 0.02, 2) for index in range(6000))
    return_s = 55.0
    hertz = tuple(50.0 - 0.9 * math.exp(-(((at - 26.0) / 5.0) ** 2)) + chance.gauss(0.0, 0.002) for at in at_s)
    power_s = at_s[::5]
    kw = tuple(_kw(at, return_s) + chance.gauss(0.0, 0.6) for at in power_s)
    on = tuple(float(round(60 * (_kw(at, return_s) - 17.0) / 190.0)) for at in power_s)
    return ScenarioResult(
        name="under-frequency",
        title="Sixty miners are shed below 49.5 Hz and return by ramp",
        stands_for="Programme: fast frequency response, delivered at the meter within 1 s",
        file="hil/scenarios/under-frequency.toml",
        fast=True,
        verdict=verdict,
        why="" if verdict is Verdict.PASSED else "delivered at the meter: 9 kW",
        started_utc="2026-01-31T12:00:00Z",
        wall_s=121.4,
        seed=seed,
        expectations=(
            Expectation(
                "delivered",
                "the meter shows at least 180 kW less within 4 s of the crossing",
                "at least 180 kW within 4 s",
                "189.7 kW after 2.6 s" if verdict is Verdict.PASSED else "9 kW",
                ok=verdict is Verdict.PASSED,
            ),
            Expectation("returned", "no load returns within its minimum off time", "60 s", "61.2 s", ok=True),
            Expectation("records", "records are complete and verify", "none missing", "none of 298 missing", ok=True),
        ),
        moments=(
            Moment(_SHED_S, "plant", "the frequency crosses 49.5 Hz"),
            Moment(_SHED_S + 0.1, "event", "begin: under-frequency on main"),
            Moment(31.0, "fault", "twelve miners fall silent"),
            Moment(return_s, "event", "returning"),
        ),
        series=(
            Series("frequency", "frequency", "Hz", at_s, hertz),
            Series("threshold", "frequency", "Hz", (0.0, 120.0), (49.5, 49.5)),
            Series("power", "power", "kW", power_s, kw),
            Series("limit", "power", "kW", (0.0, _SHED_S, return_s, 120.0), (270.0, 20.0, 270.0, 270.0), True),
            Series("on", "loads", "loads", power_s, on, True),
            Series("half", "loads", "loads", power_s, tuple(min(20.0, 60 - value) for value in on), True),
            Series("off", "loads", "loads", power_s, tuple(max(0.0, 40 - value) for value in on), True),
            Series("pressure", "tank", "kPa", power_s, tuple(101.0 + value / 60 for value in on)),
            Series("flow", "tank", "l/min", power_s, tuple(110.0 + value / 6 for value in on)),
        ),
        latencies=(
            Latency(
                "register served -> last byte of the verb read, last miner",
                "ms",
                tuple(slower * (14.0 + chance.gammavariate(2.0, 6.0)) for _ in range(400)),
            ),
            Latency(
                "register served -> last byte of the verb read, last miner",
                "ms",
                tuple(11.0 + chance.gammavariate(2.0, 4.0) for _ in range(400)),
                subject="floor",
            ),
        ),
        files={"records": "under-frequency/records.jsonl", "agent log": "under-frequency/agent.log"},
    )


def _kw(at_s: float, return_s: float) -> float:
    """Power: at 207 kW, down to 17 within three seconds, back by ramp."""
    if at_s < _SHED_S:
        return 207.0
    if at_s < return_s:
        return 17.0 + 190.0 * math.exp(-(at_s - _SHED_S) / 0.9)
    return min(207.0, 17.0 + 190.0 * (at_s - return_s) / 50.0)
