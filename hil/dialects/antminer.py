"""Bitmain's own firmware: bmminer on 4028, lighttpd with its CGI on 80.

Shapes: antminer-s19-stock-fw20201211-sleeping (JSON dialect: what is read and what a client writes),
antminer-s19pro-bmminer1.0.0-fw20221206 (stats while hashing). Malformed: `}{` between the rows of STATS, as bmminer of
the S9 sends it. `OldAntminer` is the T17+ of 2020 with its form of `_ant_` fields and 254 for sleep; it answers a write
with no words.

What is left out of a write is lost, as on the real ones: the pools, and with them the income. `late_s` is what an S19j
Pro takes to answer a write (21 s, field report), shortened.
"""

from typing import ClassVar
from urllib.parse import parse_qs

from hil.dialects.speaker import Body, compact, parsed
from hil.dialects.web import Asked, WebSpeaker
from hil.miner import Miner

_WRITE = "/cgi-bin/set_miner_conf.cgi"


class Antminer(WebSpeaker):
    """An S19 with the JSON dialect."""

    ports: ClassVar[tuple[int, ...]] = (4028, 80)
    password: ClassVar[str] = "root"
    late_s: ClassVar[float] = 2.0
    model: ClassVar[str] = "Antminer S19"

    def __init__(self, miner: Miner) -> None:
        super().__init__(miner)
        self.pools = [{"url": f"{name}:700", "user": f"{name}.1", "pass": "x"} for name in ("aaa", "bbb", "ccc")]
        self.fan: Body = {"bitmain-fan-ctrl": False, "bitmain-fan-pwm": "100"}

    def step_of(self, one: Asked) -> str | None:
        if one.path != _WRITE or one.method != "POST":
            return None
        return {1: "off", 0: "on", "1": "off", "0": "on"}.get(one.json.get("miner-mode", ""))

    def is_write(self, port: int, request: bytes) -> bool:
        return port == 80 and _WRITE.encode() in request.partition(b"\r\n")[0]

    def api(self, request: bytes, now_ns: int) -> bytes:
        command = parsed(request).get("command")
        version = {"BMMiner": "1.0.0", "API": "3.1", "Miner": "49.0.1.3", "Type": self.model}
        version["CompileTime"] = "Fri Dec 11 11:15:40 CST 2020"
        if command == "version":
            return _listed(22, "CGMiner versions", VERSION=[version])
        if command == "stats":
            reply = _listed(70, "CGMiner stats", STATS=[version, self._stats(now_ns)])
            return reply.replace(b"},{", b"}{") if self.malformed else reply
        if command == "summary":
            ghs = round(self.miner.says_rate_ths(now_ns, lagging=True) * 1000, 2)
            return _listed(11, "Summary", SUMMARY=[{"Elapsed": 735, "GHS 5s": ghs, "GHS av": ghs}])
        return compact({"STATUS": [{"STATUS": "E", "When": 1, "Code": 14, "Msg": "Invalid command"}], "id": 1}) + b"\0"

    def _stats(self, now_ns: int) -> Body:
        on = self.miner.says_on()
        ghs = round(self.miner.says_rate_ths(now_ns, lagging=False) * 1000, 2)
        row: Body = {"STATS": 0, "ID": "BTM_SOC0", "Elapsed": 735, "GHS 5s": ghs, "GHS av": ghs, "Mode": 2}
        row |= {"fan_num": 4, "fan1": 5880 if on else 1560, "fan2": 5880 if on else 600, "rate_unit": "GH"}
        return row | {"temp_chip1": "78-50-69-70" if on else "39-37-40-39", "temp_chip2": "0-0-0-0", "miner_count": 2}

    def serve(self, one: Asked, now_ns: int) -> bytes:
        refused = self.let_in(one)
        if refused is not None:
            return refused
        if one.path == "/cgi-bin/get_system_info.cgi":
            return self.reply(
                200, {"minertype": self.model, "macaddr": "02:50:53:09:DA:D9", "firmware_type": "Release"}
            )
        if one.path == "/cgi-bin/get_miner_conf.cgi":
            return self.reply(200, raw=b"\n\n" + compact(self.conf()) + b"\n")
        if one.path == _WRITE:
            return self.write(one, now_ns)
        return self.reply(404)

    def conf(self) -> Body:
        """What is read."""
        mode = "0" if self.miner.says_on() else "1"
        conf: Body = {"pools": self.pools, "api-listen": True, "api-groups": "A:stats:pools:devs:summary:version"}
        return conf | self.fan | {"bitmain-freq": "675", "bitmain-work-mode": mode, "bitmain-freq-level": "100"}

    def write(self, one: Asked, now_ns: int) -> bytes:
        """What a write does: all of it is taken, and what is not there is lost."""
        step = self.step_of(one)
        if self.denied or step is None:
            return self.reply(200, {"stats": "error", "code": "M004", "msg": "Failed"})
        self.pools = [pool for pool in one.json.get("pools", []) if isinstance(pool, dict)]
        self.fan = {key: one.json[key] for key in ("bitmain-fan-ctrl", "bitmain-fan-pwm") if key in one.json}
        self.miner.told(step == "on", now_ns)
        return self.reply(200, {"stats": "success", "code": "M000", "msg": "OK!"})


class OldAntminer(Antminer):
    """A T17+ with the form dialect."""

    model: ClassVar[str] = "Antminer T17+"

    def step_of(self, one: Asked) -> str | None:
        if one.path != _WRITE or one.method != "POST":
            return None
        mode = parse_qs(one.body.decode("latin-1")).get("_ant_work_mode", [""])[0]
        return {"254": "off", "0": "on"}.get(mode)

    def conf(self) -> Body:
        conf = super().conf()
        del conf["bitmain-freq-level"]
        return conf | {"bitmain-work-mode": "0" if self.miner.says_on() else "254", "bitmain-voltage": "1950"}

    def write(self, one: Asked, now_ns: int) -> bytes:
        step = self.step_of(one)
        if self.denied or step is None:
            return self.reply(500)
        fields = parse_qs(one.body.decode("latin-1"), keep_blank_values=True)
        self.pools = [
            {"url": fields[f"_ant_pool{at}url"][0], "user": fields[f"_ant_pool{at}user"][0], "pass": "x"}
            for at in (1, 2, 3)
            if fields.get(f"_ant_pool{at}url", [""])[0]
        ]
        self.miner.told(step == "on", now_ns)
        return self.reply(200)


class Hiveon(Antminer):
    """Hiveon's firmware, which calls itself an Antminer; that its CGI is as the stock one's is a guess."""

    model: ClassVar[str] = "Antminer S9 Hiveon"


def _listed(code: int, words: str, **sections: object) -> bytes:
    status = {"STATUS": "S", "When": 1621205793, "Code": code, "Msg": words, "Description": "cgminer 1.0.0"}
    return compact({"STATUS": [status], **sections, "id": 1}) + b"\0"
