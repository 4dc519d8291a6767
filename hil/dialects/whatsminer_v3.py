"""btminer, API v3 on 4433: frames with a length before them; verbs signed with a salted hash and the time.

Shapes: whatsminer-m60s-api3.0.2-fw20251209. Malformed: an error entry whose code is a key, and a frame whose JSON holds
a raw line end. How far off a `ts` may be is not published: half a minute here.
"""

import base64
import hashlib
import time
from typing import ClassVar

from hil.dialects.speaker import Body, Speaker, compact, parsed

_STEPS = {"stop": "off", "start": "on"}
_OFF_S_MAX = 30


class WhatsminerV3(Speaker):
    """One btminer with its v3 switched on."""

    ports: ClassVar[tuple[int, ...]] = (4433,)
    password: ClassVar[str] = "super"

    _salts = 0

    def whole(self, port: int, held: bytes) -> bool:
        return len(held) >= 4 and len(held) >= 4 + int.from_bytes(held[:4], "little")

    def told_step(self, port: int, request: bytes) -> str | None:
        asked = parsed(request[4:])
        return _STEPS.get(str(asked.get("param"))) if asked.get("cmd") == "set.miner.service" else None

    def is_write(self, port: int, request: bytes) -> bool:
        return str(parsed(request[4:]).get("cmd")).startswith("set.")

    def forget(self) -> None:
        self._salts += 1

    @property
    def _salt(self) -> str:
        return f"uhCiDy{self._salts % 100:02d}"

    def answer(self, port: int, request: bytes, now_ns: int) -> bytes:
        asked = parsed(request[4:])
        command = asked.get("cmd")
        if command == "get.device.info":
            return self._framed(0, self._info(), str(command))
        if command == "get.miner.status":
            if asked.get("param") != "summary":
                return self._framed(-3, "param null", str(command))
            return self._framed(0, {"summary": self._summary(now_ns)}, str(command))
        if command == "set.miner.service":
            return self._told(asked, now_ns)
        return self._framed(-2, "invalid command", str(command))

    def _info(self) -> Body:
        working = "true" if self.miner.says_on() else "false"
        info: Body = {"miner": {"working": working, "type": "M60S_VK40", "hash-percent": "0"}, "salt": self._salt}
        info["system"] = {"api": "3.0.2", "apiswitch": "1", "fwversion": "20251209.16.Rel2", "platform": "H616"}
        if self.malformed:
            info["error-code"] = [{"531": "2025-12-01", "reason": "slot1\nnot found"}]
        return info

    def _summary(self, now_ns: int) -> Body:
        ths = round(self.miner.says_rate_ths(now_ns, lagging=True), 3)
        watts = round(self.miner.says_watts(now_ns), 1)
        row: Body = {"elapsed": now_ns // 10**9 % 10**6, "hash-realtime": ths, "hash-1min": ths}
        row |= {"power-realtime": watts, "power-5min": watts, "power-limit": 3600, "up-freq-finish": 1}
        return row | {"board-temperature": [41.1, 40.1, 41.5], "chip-temp-max": 82.0}

    def _told(self, asked: Body, now_ns: int) -> bytes:
        ts = asked.get("ts")
        if not isinstance(ts, int) or abs(ts - time.time()) > _OFF_S_MAX:
            return self._framed(-2, "invalid token", str(asked["cmd"]))
        text = f"{asked['cmd']}{self.password}{self._salt}{ts}"
        token = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()[:8]
        if asked.get("token") != token or asked.get("account") != "super":
            return self._framed(-2, "invalid token", str(asked["cmd"]))
        step = _STEPS.get(str(asked.get("param")))
        if self.denied or step is None:
            return self._framed(-4, "no permission", str(asked["cmd"]))
        self.miner.told(step == "on", now_ns)
        return self._framed(0, "ok", str(asked["cmd"]))

    def _framed(self, code: int, said: object, command: str) -> bytes:
        raw = compact({"code": code, "when": int(time.time()), "msg": said, "desc": command})
        if self.malformed:
            raw = raw.replace(b"\\n", b"\n")
        return len(raw).to_bytes(4, "little") + raw
