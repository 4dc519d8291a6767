"""Firmware that speaks HTTP: requests taken apart, answers put together, digest asked for and checked.

An answer has a Content-Length, or, when the firmware is told to be malformed, chunks: both are seen on real boards.
"""

import hashlib
import re
from typing import Any, ClassVar, NamedTuple

from hil.dialects.speaker import Body, Speaker, compact, parsed
from hil.miner import Miner

_WORDS = {200: "OK", 204: "No Content", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}
_WORDS |= {429: "Too Many Requests", 500: "Internal Server Error"}
_PART = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]+))')


class Asked(NamedTuple):
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Body:
        """The object in its body."""
        return parsed(self.body)


def asked(raw: bytes) -> Asked | None:
    """The request in these bytes once it is whole."""
    head, end, body = raw.partition(b"\r\n\r\n")
    if not end:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    size = int(headers.get("content-length", "0") or 0)
    if len(body) < size:
        return None
    method, _, rest = first.partition(" ")
    return Asked(method, rest.partition(" ")[0], headers, body[:size])


class WebSpeaker(Speaker):
    """One web server; `routes` are its own."""

    web_port: ClassVar[int] = 80
    server: ClassVar[str] = "lighttpd/1.4.32"

    def __init__(self, miner: Miner) -> None:
        super().__init__(miner)
        self.nonces = 0

    def whole(self, port: int, held: bytes) -> bool:
        return port != self.web_port or asked(held) is not None

    def told_step(self, port: int, request: bytes) -> str | None:
        if port != self.web_port:
            return None
        one = asked(request)
        return None if one is None else self.step_of(one)

    def step_of(self, one: Asked) -> str | None:
        """What step a request asks for, if its sender is let in or not."""
        raise NotImplementedError

    def forget(self) -> None:
        self.nonces += 1

    def answer(self, port: int, request: bytes, now_ns: int) -> bytes:
        if port != self.web_port:
            return self.api(request, now_ns)
        one = asked(request)
        return self.reply(400) if one is None else self.serve(one, now_ns)

    def api(self, request: bytes, now_ns: int) -> bytes:
        """The answer of its other port."""
        raise NotImplementedError

    def serve(self, one: Asked, now_ns: int) -> bytes:
        """The answer to one request."""
        raise NotImplementedError

    def reply(self, status: int, body: object = None, *headers: str, raw: bytes | None = None) -> bytes:
        """An answer as it goes out."""
        content = raw if raw is not None else b"" if body is None else compact(body)
        lines = [f"HTTP/1.1 {status} {_WORDS[status]}", f"Server: {self.server}", *headers]
        lines.append("Content-Type: application/json" if status == 200 else "Content-Type: text/html")
        if not (self.malformed and content):
            return "\r\n".join([*lines, f"Content-Length: {len(content)}", "", ""]).encode() + content
        half = len(content) // 2
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (content[:half], content[half:]) if part)
        return "\r\n".join([*lines, "Transfer-Encoding: chunked", "", ""]).encode() + chunks + b"0\r\n\r\n"

    # --- digest -------------------------------------------------------------------------------------------------------

    realm: ClassVar[str] = "antMiner Configuration"

    @property
    def nonce(self) -> str:
        """What it gives now; lighttpd's change with time, these when they are forgotten."""
        return f"67a1{self.nonces:04x}:9f2c"

    def let_in(self, one: Asked, user: str = "root") -> bytes | None:
        """None for who knows the password, else the challenge."""
        parts: dict[str, Any] = {
            key: quoted or bare for key, quoted, bare in _PART.findall(one.headers.get("authorization", ""))
        }
        first = _md5(f"{user}:{self.realm}:{self.password}")
        second = _md5(f"{one.method}:{one.path}")
        middle = f"{self.nonce}:{parts.get('nc')}:{parts.get('cnonce')}:auth"
        known = parts.get("nonce") == self.nonce and parts.get("uri") == one.path and parts.get("username") == user
        if known and parts.get("response") == _md5(f"{first}:{middle}:{second}"):
            return None
        line = f'WWW-Authenticate: Digest realm="{self.realm}", nonce="{self.nonce}", qop="auth"'
        return self.reply(401, None, line, raw=b"<html><h1>401 - Unauthorized</h1></html>")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()
