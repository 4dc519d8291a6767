"""ePIC PowerPlay: HTTP on 4028. Shapes: epic-powerplay. Malformed: chunks. HTTP says 200 whatever happened."""

from typing import ClassVar

from hil.dialects.speaker import Body
from hil.dialects.web import Asked, WebSpeaker

_PARAMS = {"Stop": "off", "Autostart": "on"}


class Epic(WebSpeaker):
    """One of v1.5.13."""

    ports: ClassVar[tuple[int, ...]] = (4028,)
    web_port: ClassVar[int] = 4028
    password: ClassVar[str] = "letmein"
    server: ClassVar[str] = "rouille"

    def step_of(self, one: Asked) -> str | None:
        return _PARAMS.get(str(one.json.get("param"))) if one.path == "/miner" and one.method == "POST" else None

    def api(self, request: bytes, now_ns: int) -> bytes:
        raise AssertionError("it has one port")

    def serve(self, one: Asked, now_ns: int) -> bytes:
        if one.path == "/summary":
            return self.reply(200, self._summary(now_ns))
        step = self.step_of(one)
        if step is None:
            return self.reply(200, {"result": False, "error": "MissingParam"})
        if one.json.get("password") != self.password:
            return self.reply(200, {"result": False, "error": "BadPassword"})
        if self.denied:
            return self.reply(200, {"result": False, "error": "Busy"})
        self.miner.told(step == "on", now_ns)
        return self.reply(200, {"result": True, "error": None})

    def _summary(self, now_ns: int) -> Body:
        mhs = self.miner.says_rate_ths(now_ns, lagging=True) * 1e6
        on = self.miner.says_on()
        return {
            "Status": {"Operating State": "Mining" if on else "Idling", "Last Command": None, "Last Error": None},
            "Software": "PowerPlay-BMS v1.5.13",
            "Session": {"Active HBs": 2, "Average MHs": mhs},
            "HBs": [{"Index": at, "Temperature": 60.0 + at, "Hashrate": [mhs / 2, 103.1, 0.8]} for at in (1, 2)],
            "Power Supply Stats": {"Input Power": round(self.miner.says_watts(now_ns), 1), "Output Voltage": 12.6},
        }
