"""Kaonsu on port 80, digest. Shapes from clients' code alone, no recording. Malformed: chunks.

The whole configuration is written; what is left out is lost.
"""

from typing import Any, ClassVar

from hil.dialects.web import Asked, WebSpeaker
from hil.miner import Miner

_CONFIG = "/kaonsu/v1/miner_config"


class Mara(WebSpeaker):
    """One S19 with Kaonsu."""

    ports: ClassVar[tuple[int, ...]] = (80,)
    password: ClassVar[str] = "root"
    realm: ClassVar[str] = "Kaonsu"

    def __init__(self, miner: Miner) -> None:
        super().__init__(miner)
        self.config: dict[str, Any] = {
            "mode": {"work-mode-selector": "Auto", "concorde": {"mode-select": "PowerTarget", "power-target": 3300}},
            "pools": [{"url": "stratum+tcp://pool.example.com:3333", "user": "a.1", "pass": "x"}],
        }

    def step_of(self, one: Asked) -> str | None:
        if one.path != _CONFIG or one.method != "POST":
            return None
        mode = one.json.get("mode")
        selector = mode.get("work-mode-selector") if isinstance(mode, dict) else None
        return None if selector is None else "off" if selector == "Sleep" else "on"

    def api(self, request: bytes, now_ns: int) -> bytes:
        raise AssertionError("its 4028 is not modelled")

    def serve(self, one: Asked, now_ns: int) -> bytes:
        refused = self.let_in(one)
        if refused is not None:
            return refused
        if one.path == "/kaonsu/v1/brief":
            watts = round(self.miner.says_watts(now_ns))
            ths = self.miner.says_rate_ths(now_ns, lagging=True)
            return self.reply(200, {"power_consumption_estimated": watts, "hashrate_realtime": ths, "status": "mining"})
        if one.path != _CONFIG:
            return self.reply(404)
        step = self.step_of(one)
        if step is None:
            mode = self.config["mode"] | ({} if self.miner.says_on() else {"work-mode-selector": "Sleep"})
            return self.reply(200, self.config | {"mode": mode})
        if self.denied:
            return self.reply(200, {"error": True, "msg": "locked"})
        self.config = one.json
        self.miner.told(step == "on", now_ns)
        return self.reply(200, {"error": False, "msg": "success"})
