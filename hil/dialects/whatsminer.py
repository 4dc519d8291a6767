"""btminer, API v2: reports in plain, verbs in an envelope that only who knows the password can make.

Shapes: whatsminer-cgminer4.9.2-fw20201202-high-mode (summary), whatsminer-status-replies, whatsminer-crypto-vectors.
Malformed: an error list that is written like an object, as the manual itself shows it.
"""

import base64
import hashlib
import time
from typing import ClassVar

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from hil.dialects.speaker import Body, Speaker, compact, parsed

_STEPS = {"power_off": "off", "power_on": "on"}
# Made with `openssl passwd -1 -salt`: the key of password "admin" and salt BQ5hoXV9; of each token its time, newsalt,
# and the sign of key + time.
_KEY = "RxmaDUO33TS7O26yeMHZ81"
_TOKENS = (
    ("6915", "a5TtWuia", "FxSqRhh3awyskCr.H8euH0"),
    ("6916", "a5TtWuib", "sbIGYSvvQ8reXfpsbR.rf/"),
    ("6917", "a5TtWuic", ".7DkZC2q.fQjToglMNaYM0"),
    ("6918", "a5TtWuid", "RHOHH07uNkJ2webeOwutq."),
)


class Whatsminer(Speaker):
    """One btminer."""

    ports: ClassVar[tuple[int, ...]] = (4028,)
    password: ClassVar[str] = "admin"

    old: ClassVar[bool] = False
    _given = 0

    def whole(self, port: int, held: bytes) -> bool:
        return True  # one recv, as all of this family

    def told_step(self, port: int, request: bytes) -> str | None:
        return _STEPS.get(str(self._verb(request).get("cmd")))

    def is_write(self, port: int, request: bytes) -> bool:
        return "enc" in parsed(request)

    def forget(self) -> None:
        self._given += 1

    def answer(self, port: int, request: bytes, now_ns: int) -> bytes:
        asked = parsed(request)
        if "enc" in asked:
            return self._told(self._verb(request), now_ns)
        command = asked.get("command") or (None if self.old else asked.get("cmd"))
        if command is None:
            return _listed("E", 24, "Missing JSON 'command'")
        if command == "status":
            off = "false" if self.miner.says_on() else "true"
            return _said("S", 131, {"mineroff": off, "mineroff_reason": "", "FirmwareVersion": "20230803.11.REL"})
        if command == "get_token":
            at, newsalt, _ = self._token
            return _said("S", 134, {"time": at, "salt": "BQ5hoXV9", "newsalt": newsalt})
        if command == "version":
            return _listed("S", 22, "CGMiner versions", VERSION=[{"CGMiner": "4.9.2", "API": "3.7"}])
        if command == "get_version":
            return _said("S", 131, {"api_ver": "2.0.5", "fw_ver": "20230803.11.REL", "platform": "H616"})
        if command == "summary":
            return self._summary(now_ns)
        return _said("E", 14, "invalid cmd")

    def _summary(self, now_ns: int) -> bytes:
        mhs = self.miner.says_rate_ths(now_ns, lagging=True) * 1e6
        watts = round(self.miner.says_watts(now_ns))
        row: Body = {"Elapsed": now_ns // 10**9 % 10**6, "MHS av": round(mhs, 2), "MHS 5s": round(mhs, 2)}
        row |= {"HS RT": round(mhs, 2), "Temperature": 72.0, "Power": watts, "Power_RT": watts, "Power Mode": "Normal"}
        row |= {"Power Voltage Input": 229.5, "Power Current Input": round(watts / 229.5, 2), "Power Limit": 3600}
        row |= {"Chip Temp Max": 93.0, "Firmware Version": "'20230803.11.REL'", "Error Code Count": 0}
        reply = _listed("S", 11, "Summary", SUMMARY=[row])
        return reply.replace(b'"Error Code Count":0', b'"Error Code":["329":"2022-01-17"]') if self.malformed else reply

    @property
    def _token(self) -> tuple[str, str, str]:
        """Time, newsalt, and the sign that they make."""
        return _TOKENS[self._given % len(_TOKENS)]

    def _cipher(self) -> Cipher[modes.ECB]:
        return Cipher(algorithms.AES(hashlib.sha256(_KEY.encode()).digest()), modes.ECB())

    def _verb(self, request: bytes) -> Body:
        try:
            made = self._cipher().decryptor()
            plain = made.update(base64.b64decode(str(parsed(request).get("data")))) + made.finalize()
        except ValueError:
            return {}
        return parsed(plain.rstrip(b"\0"))

    def _told(self, verb: Body, now_ns: int) -> bytes:
        if not verb:
            return _said("E", 23, "enc json load err")
        if verb.get("token") != self._token[2]:
            return self._sealed("E", 135, "check token error")
        if self.denied:
            return self._sealed("E", 45, "can't access write cmd")
        step = _STEPS.get(str(verb.get("cmd")))
        if step is None:
            return self._sealed("E", 14, "invalid cmd")
        self.miner.told(step == "on", now_ns)
        return self._sealed("S", 131, "API command OK")

    def _sealed(self, letter: str, code: int, words: str) -> bytes:
        plain = _said(letter, code, words)
        made = self._cipher().encryptor()
        sealed = made.update(plain + b"\0" * (-len(plain) % 16)) + made.finalize()
        return compact({"enc": base64.b64encode(sealed).decode()}) + b"\0"


class OldWhatsminer(Whatsminer):
    """Firmware to which `cmd` is a missing command."""

    old: ClassVar[bool] = True


def _said(letter: str, code: int, said: object) -> bytes:
    when = int(time.time())
    return compact({"STATUS": letter, "When": when, "Code": code, "Msg": said, "Description": "whatsminer v1.4.0"})


def _listed(letter: str, code: int, words: str, **sections: object) -> bytes:
    status = {"STATUS": letter, "When": int(time.time()), "Code": code, "Msg": words, "Description": "btminer"}
    return compact({"STATUS": [status], **sections, "id": 1}) + b"\0"
