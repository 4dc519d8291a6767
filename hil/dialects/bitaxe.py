"""AxeOS on port 80. Shape: bitaxe-axeos-2.0.0, with pause and resume as of 2.14. Malformed: chunks."""

from typing import ClassVar

from hil.dialects.web import Asked, WebSpeaker

_VERBS = {"/api/system/pause": "off", "/api/system/resume": "on"}


class Bitaxe(WebSpeaker):
    """One Bitaxe; its rated watts are whatever the rig gives it."""

    ports: ClassVar[tuple[int, ...]] = (80,)
    server: ClassVar[str] = "esp_http_server"

    def step_of(self, one: Asked) -> str | None:
        return _VERBS.get(one.path) if one.method == "POST" else None

    def api(self, request: bytes, now_ns: int) -> bytes:
        raise AssertionError("it has one port")

    def serve(self, one: Asked, now_ns: int) -> bytes:
        step = self.step_of(one)
        if step is not None:
            if self.denied:
                return self.reply(404, raw=b"Not found")
            self.miner.told(step == "on", now_ns)
            return self.reply(200, {"message": "Mining paused" if step == "off" else "Mining resumed"})
        if one.path != "/api/system/info":
            return self.reply(404)
        ghs = self.miner.says_rate_ths(now_ns, lagging=False) * 1000 if self.miner.says_on() else 0
        watts = self.miner.says_watts(now_ns)
        told = {"power": watts, "voltage": 5175, "temp": 47, "hashRate": ghs, "frequency": 490, "overheat_mode": 0}
        return self.reply(200, told | {"ASICModel": "BM1368", "version": "v2.14.0", "uptimeSeconds": 4})
