"""HTTP as far as miners speak it: a request in one write, a reply in its parts. Pure.

Every request has a connection of its own and says so; `Host` is a name that no virtual host has, for a codec does not
know the miner's address and these servers have one host. A reply whose body is shorter than its length, or that is no
HTTP, is Garbled. Statuses are not judged here: what 401 or 500 means is the family's to say.
"""

import re

import msgspec
from msgspec import Struct

from drivers.errors import Garbled
from drivers.miners.cgminer import REPLY_BYTES_MAX, Section, decode_json
from drivers.miners.dialect import Framing, Request, Verdict
from drivers.miners.tolerant import Value

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile(r"^content-length:\s*(\d{1,9})\s*$", re.IGNORECASE | re.MULTILINE)

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


class HttpReply(Struct, frozen=True):
    """One answer."""

    status: int
    headers: str
    body: bytes

    @property
    def words(self) -> str:
        """Status and the beginning of the body, for people."""
        said = re.sub(r"\s+", " ", self.body[:120].decode("utf-8", "replace")).strip()
        return f"HTTP {self.status}: {said}" if said else f"HTTP {self.status}"

    def header(self, name: str) -> list[str]:
        """The values of every line of this name."""
        found = re.findall(rf"^{name}:[ \t]*([^\r\n]*)", self.headers, re.IGNORECASE | re.MULTILINE)
        return [value.strip() for value in found]


def encode_http(
    method: str, path: str, *headers: str, body: bytes = b"", kind: str = JSON, port: int = 0, answer_ns: int = 0
) -> Request:
    """One request; `headers` are whole lines without their ends."""
    lines = [f"{method} {path} HTTP/1.1", "Host: miner", "Connection: close", "Accept: */*", *headers]
    if body or method in ("POST", "PUT", "PATCH"):
        lines += [f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    head = "\r\n".join(lines) + "\r\n\r\n"
    assert head.count("\n") == len(lines) + 1, "a header must not hold a line end"
    return Request(head.encode() + body, port, Framing.HTTP, answer_ns)


def encode_json(method: str, path: str, value: object, *headers: str, port: int = 0) -> Request:
    """One request with a JSON body."""
    return encode_http(method, path, *headers, body=msgspec.json.encode(value), port=port)


def decode_http(raw: bytes) -> HttpReply:
    """What a server answered; Garbled when that is no whole HTTP reply."""
    status, ended = _STATUS.match(raw), _HEAD_END.search(raw, 0, 20_000)
    if status is None or ended is None:
        raise Garbled("", f"not an HTTP reply: {raw[:80].decode('utf-8', 'replace')!r}", raw[:4096])
    _, _, headers = raw[: ended.start()].decode("utf-8", "replace").replace("\r\n", "\n").partition("\n")
    body = raw[ended.end() :]
    length = _LENGTH.search(headers)
    if length is not None and len(body) < int(length.group(1)):
        raise Garbled("", f"{len(body)} of {length.group(1)} bytes came", raw[:4096])
    if len(body) > REPLY_BYTES_MAX:
        raise Garbled("", f"more than {REPLY_BYTES_MAX} bytes", raw[:4096])
    return HttpReply(int(status.group(1)), headers, body)


def json_body(reply: HttpReply) -> tuple[Value, int]:
    """The JSON in a reply's body, and how many faults were mended in it; Garbled when there is none."""
    text = reply.body.strip(b"\0 \t\r\n").removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    if text[:1] not in ("{", "["):
        raise Garbled("", f"no JSON: {reply.words}", reply.body[:4096])
    return decode_json(text)


def json_object(reply: HttpReply) -> tuple[Section, int]:
    """The same where it must be an object."""
    value, repairs = json_body(reply)
    if not isinstance(value, dict):
        raise Garbled("", f"an array where an object must be: {reply.words}", reply.body[:4096])
    return value, repairs


def within(value: Value, *path: str | int) -> Value:
    """What stands there, None where nothing does."""
    for key in path:
        if isinstance(key, str) and isinstance(value, dict):
            value = value.get(key)
        elif isinstance(key, int) and isinstance(value, list) and -len(value) <= key < len(value):
            value = value[key]
        else:
            return None
    return value


def rows(value: Value) -> list[Section]:
    """The objects of a list; none when it is no list."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def text(value: Value) -> str:
    """A string as it is, anything else as no string."""
    return value if isinstance(value, str) else ""


def verdict(reply: HttpReply) -> Verdict | None:
    """What the status of an answer to a verb says by itself; None when its body decides.

    401 and 403 are a token or nonce that died, or a wrong password: a poll finds out which. After 5xx the verb may have
    been done.
    """
    if reply.status in (401, 403):
        return Verdict("refused", reply.words, passes=True)
    if 400 <= reply.status < 500:
        return Verdict("refused", reply.words, passes=reply.status == 429)
    return None if 200 <= reply.status < 300 else Verdict("garbled", reply.words)
