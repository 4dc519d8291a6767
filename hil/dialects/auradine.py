"""FluxOS: gcminer on 4028, HTTP with a token on 8080.

Shapes: auradine-fluxos-2023. Malformed: chunks, and words of /mode that say another thing than its field, as recorded.
"""

from typing import ClassVar

from hil.dialects.speaker import compact, parsed
from hil.dialects.web import Asked, WebSpeaker


class Auradine(WebSpeaker):
    """One Teraflux."""

    ports: ClassVar[tuple[int, ...]] = (4028, 8080)
    web_port: ClassVar[int] = 8080
    password: ClassVar[str] = "admin"
    server: ClassVar[str] = "FluxOS"

    def step_of(self, one: Asked) -> str | None:
        if one.path != "/mode" or one.method != "POST":
            return None
        return {"on": "off", "off": "on"}.get(str(one.json.get("sleep")))

    @property
    def token(self) -> str:
        """What it gives now."""
        return f"fluxtoken{self.nonces:04d}"

    def api(self, request: bytes, now_ns: int) -> bytes:
        command = parsed(request).get("command")
        mhs = self.miner.says_rate_ths(now_ns, lagging=True) * 1e6 / 3
        if command == "version":
            return _listed(22, "GCMiner versions", VERSION=[{"GCMiner": "0.5", "API": "1.0"}]) + b"\0"
        if command == "devs":
            rows = [{"DEV": at, "ID": at, "Enabled": True, "Temperature": 28.0 + at, "MHS 5s": mhs} for at in (1, 2, 3)]
            return _listed(9, "3 Dev(s)", DEVS=rows) + b"\0"
        if command == "summary":
            return _listed(11, "Summary", SUMMARY=[{"Elapsed": 56696, "MHS 5s": mhs * 3}]) + b"\0"
        return _listed(14, "Invalid command", letter="E") + b"\0"

    def serve(self, one: Asked, now_ns: int) -> bytes:
        if one.path == "/token":
            if one.json != {"command": "token", "user": "admin", "password": self.password}:
                return self.reply(401)
            return self.reply(200, raw=_listed(500, "Token", Token=[{"Token": self.token}]))
        if one.headers.get("token") != self.token:
            return self.reply(401)
        step = self.step_of(one)
        if step is not None:
            if self.denied:
                return self.reply(200, raw=_listed(541, "Mode is locked", letter="E"))
            self.miner.told(step == "on", now_ns)
            return self.reply(200, raw=_listed(540, f"sleep {one.json['sleep']}"))
        if one.path == "/mode":
            sleep = "off" if self.miner.says_on() else "on"
            words = "Operating mode: 'normal', sleep: 'true'" if self.malformed else f"sleep: '{sleep}'"
            row = {"Mode": "custom", "Sleep": sleep, "Ths": 160, "Power": 2000}
            return self.reply(200, raw=_listed(540, words, Mode=[row]))
        if one.path == "/psu":
            watts = f"{self.miner.says_watts(now_ns):.2f}W"
            return self.reply(200, raw=_listed(570, "PSU status", PSU=[{"PowerIn": watts, "Vin": "245.00V"}]))
        return self.reply(404)


def _listed(code: int, words: str, *, letter: str = "S", **sections: object) -> bytes:
    status = {"STATUS": letter, "When": 1703715266, "Code": code, "Msg": words, "Description": "FluxOS-2023-12.27"}
    return compact({"STATUS": [status], **sections, "id": 1})
