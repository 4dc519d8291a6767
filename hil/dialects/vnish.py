"""VNish (AnthillOS) on port 80.

Shapes: vnish-1.2.7-s21pro. Malformed: chunks. After five wrong passwords it answers 429, as the vendor warns.
"""

from typing import ClassVar

from hil.dialects.speaker import Body
from hil.dialects.web import Asked, WebSpeaker
from hil.miner import Miner

_VERBS = {"/api/v1/mining/stop": "off", "/api/v1/mining/start": "on"}
_TRIES_MAX = 5


class Vnish(WebSpeaker):
    """One of 1.2.7."""

    ports: ClassVar[tuple[int, ...]] = (80,)
    password: ClassVar[str] = "admin"
    server: ClassVar[str] = "AnthillOS"

    def __init__(self, miner: Miner) -> None:
        super().__init__(miner)
        self._wrong = 0

    def step_of(self, one: Asked) -> str | None:
        return _VERBS.get(one.path) if one.method == "POST" else None

    @property
    def token(self) -> str:
        """What it gives now."""
        return f"v1token{self.nonces:04d}"

    def api(self, request: bytes, now_ns: int) -> bytes:
        raise AssertionError("its 4028 is not modelled")

    def serve(self, one: Asked, now_ns: int) -> bytes:
        if one.path == "/api/v1/summary":
            return self.reply(200, {"miner": self._miner(now_ns)})
        if one.path == "/api/v1/info":
            return self.reply(200, {"miner": "Antminer S21 Pro", "fw_name": "Vnish", "fw_version": "1.2.7"})
        if one.path == "/api/v1/unlock":
            if self._wrong >= _TRIES_MAX:
                return self.reply(429)
            if one.json.get("pw") != self.password:
                self._wrong += 1
                return self.reply(403, {"err": "wrong password"})
            return self.reply(200, {"token": self.token})
        step = self.step_of(one)
        if step is None:
            return self.reply(404)
        if one.headers.get("authorization") != f"Bearer {self.token}":
            return self.reply(401)
        if self.denied:
            return self.reply(500, {"err": "mining is locked"})
        self.miner.told(step == "on", now_ns)
        return self.reply(200)

    def _miner(self, now_ns: int) -> Body:
        state = "mining" if self.miner.says_on() else "stopped"
        ths = self.miner.says_rate_ths(now_ns, lagging=True)
        body: Body = {"miner_status": {"miner_state": state, "miner_state_time": 4422}, "miner_type": "S21 Pro (Vnish)"}
        body |= {"hr_realtime": ths * 1000, "average_hashrate": ths, "instant_hashrate": ths}
        body |= {"power_usage": round(self.miner.says_watts(now_ns)), "chip_temp": {"min": 54, "max": 65}}
        return body | {"psu": {"psu_power_metering": True}}
