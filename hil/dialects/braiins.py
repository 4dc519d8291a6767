"""Braiins OS: BOSminer on 4028, its REST interface on 80.

Shapes: braiins-bos-25.07 (REST), braiins-bosminerplus-0.2.0 (4028). Malformed: chunks (nginx before a slow program).
What a login with a wrong password answers is not published: 401 here.
"""

from typing import ClassVar

from hil.dialects.speaker import compact, parsed
from hil.dialects.web import Asked, WebSpeaker

_ACTIONS = {"/api/v1/actions/pause": "off", "/api/v1/actions/resume": "on"}


class Braiins(WebSpeaker):
    """One of 25.07."""

    ports: ClassVar[tuple[int, ...]] = (4028, 80)
    password: ClassVar[str] = "root"
    server: ClassVar[str] = "nginx"

    def step_of(self, one: Asked) -> str | None:
        return _ACTIONS.get(one.path) if one.method == "PUT" else None

    @property
    def token(self) -> str:
        """What it gives now."""
        return f"eUInGZBQ4yGy{self.nonces:04d}"

    def api(self, request: bytes, now_ns: int) -> bytes:
        command = parsed(request).get("command")
        mhs = self.miner.says_rate_ths(now_ns, lagging=True) * 1e6
        status = {"STATUS": "S", "When": 1776367337, "Code": 22, "Msg": "BOSer versions", "Description": "BOSer 0.1.0"}
        if command == "version":
            return compact({"STATUS": [status], "VERSION": [{"API": "3.7", "BOSer": "boser 0.1.0"}], "id": 1}) + b"\0"
        if command == "summary":
            status |= {"Code": 11, "Msg": "Summary"}
            row = {"Elapsed": 3680, "MHS 5s": mhs, "MHS 1m": mhs, "MHS av": mhs}
            return compact({"STATUS": [status], "SUMMARY": [row], "id": 1}) + b"\0"
        return compact({"STATUS": [status | {"STATUS": "E", "Code": 14, "Msg": "Invalid command"}], "id": 1}) + b"\0"

    def serve(self, one: Asked, now_ns: int) -> bytes:
        if one.path == "/api/v1/version/":
            return self.reply(200, {"major": 1, "minor": 0, "patch": 0})
        if one.path == "/api/v1/auth/login":
            if one.json != {"username": "root", "password": self.password}:
                return self.reply(401, {"message": "Invalid credentials"})
            return self.reply(200, {"token": self.token, "timeout_s": 3600})
        if one.headers.get("authorization") != self.token:
            return self.reply(401, {"message": "Unauthorized"})
        step = self.step_of(one)
        if step is not None:
            return self._act(step, now_ns)
        if one.path == "/api/v1/miner/details":
            status = 2 if self.miner.says_on() else 3
            return self.reply(200, {"status": status, "miner_identity": {"name": "Antminer S19 XP"}, "hostname": "a"})
        if one.path == "/api/v1/miner/stats":
            return self.reply(200, self._stats(now_ns))
        if one.path == "/api/v1/cooling/state":
            return self.reply(200, {"highest_temperature": {"location": 1, "temperature": {"degree_c": 70.5}}})
        return self.reply(404)

    def _act(self, step: str, now_ns: int) -> bytes:
        if self.denied:
            return self.reply(400, {"message": "Failed precondition"})
        already = self.miner.told_on is (step == "on")
        self.miner.told(step == "on", now_ns)
        return self.reply(200, already)

    def _stats(self, now_ns: int) -> dict[str, object]:
        ghs = self.miner.says_rate_ths(now_ns, lagging=True) * 1000
        rate = {"gigahash_per_second": ghs}
        return {
            "miner_stats": {"real_hashrate": {"last_5s": rate, "last_15s": rate, "last_1m": rate}, "found_blocks": 0},
            "power_stats": {"approximated_consumption": {"watt": round(self.miner.says_watts(now_ns))}},
        }
