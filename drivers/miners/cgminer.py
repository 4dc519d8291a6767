"""The cgminer API's codec: requests to bytes, replies to values. Base of most families on TCP 4028. Pure.

A *reply* is one JSON object (or the older text form, in `|` and `,`), ended by NUL or end of file. It has a *status*
(letter, code, words) and *sections*: named lists of objects (`SUMMARY`, `DEVS`, `STATS`). A *join* (`summary+devs`) is
an object of replies. Judge by the code, not by the letter: `dbgstats` answers F with valid data.

Reading goes from strict to lenient: strict JSON; then tolerant.py, whose mends are counted; then Garbled, with the raw
text. No value becomes a number unless it is one: nan, infinity and what is cut off do not. Size, depth and the length
of numbers are bounded, a miner's reply being untrusted input. Codecs don't know the miner's address, so their errors
carry none; the caller adds it.

Sources: cgminer 4.11.1 and BFGMiner 5.5.0 recorded on loopback (tests/captures/miners), their api.c, and for the faults
CGMINER_QUIRKS.md.
"""

import re
from typing import TypeAlias

import msgspec
from msgspec import Struct

from drivers.errors import Garbled
from drivers.miners.tolerant import DEPTH_MAX, Value, finite, mend

Section: TypeAlias = dict[str, Value]

REPLY_BYTES_MAX = 1 << 20
_TEXT_START = re.compile(r"[A-Z][A-Z0-9_ ]{0,31}[=,|]")
_LEADING_NUMBER = re.compile(r"\s*'?([-+]?[0-9]{1,30}(\.[0-9]{0,30})?([eE][-+]?[0-9]{1,3})?)(?![0-9.xX:/_-])")


class Status(Struct, frozen=True):
    """What a reply says of itself."""

    letter: str  # S I W E F, or a word: BYE, RESTART
    code: int | None
    words: str
    description: str  # names the program
    when_s: int | None  # the miner's clock, which may be an uptime


class Reply(Struct, frozen=True):
    """One answer. A join has no status and no sections of its own, but a reply under each command's name."""

    status: Status | None
    sections: dict[str, tuple[Section, ...]]
    joined: dict[str, "Reply"]
    repairs: int  # faults mended to read it


def encode_request(command: str, parameter: str | None = None) -> bytes:
    """One request in JSON, as it goes out in one write; no terminator (a NUL after it would be refused, code 23)."""
    body = {"command": command} if parameter is None else {"command": command, "parameter": parameter}
    return msgspec.json.encode(body)


def decode_reply(raw: bytes) -> Reply:
    """What a miner answered; Garbled when that cannot be told for certain."""
    if len(raw) > REPLY_BYTES_MAX:
        raise Garbled("", f"more than {REPLY_BYTES_MAX} bytes", raw[:4096])
    stripped = raw.strip(b"\0 \t\r\n")
    if not stripped:
        raise Garbled("", "an empty reply", raw)
    text = stripped.replace(b"\0", b"").removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").lstrip()
    if text[:1] in ("{", "["):
        return _reply(*decode_json(text))
    if text.startswith(","):
        return _reply(*mend(text))
    if _TEXT_START.match(text):
        return _decode_text(text)
    raise Garbled("", f"not a miner's reply: {text[:80]!r}", raw)


def decode_json(text: str) -> tuple[Value, int]:
    """A JSON object or array and how many faults were mended in it."""
    try:
        value: Value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, ValueError, RecursionError):
        value, mended = mend(text)
        return value, max(1, mended)
    return _bounded(value, 0, text), 0


def number(value: Value) -> float | None:
    """The finite number a value says, also as text or decorated ("58.94W"); None when it says none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        match = _LEADING_NUMBER.match(value)
        value = float(match.group(1)) if match else None
    if not isinstance(value, int | float) or finite(value) is None:
        return None
    return float(value)


def first_number(section: Section, *keys: str) -> float | None:
    """The number under the first of these keys that has one."""
    for key in keys:
        found = number(section.get(key))
        if found is not None:
            return found
    return None


def _reply(body: Value, repairs: int) -> Reply:
    if not isinstance(body, dict):
        raise Garbled("", "an array where an object must be", _shown(body))
    status: Status | None = None
    sections: dict[str, tuple[Section, ...]] = {}
    joined: dict[str, Reply] = {}
    if "Code" in body and not isinstance(body.get("STATUS"), list):
        status = _status(body)
    for name, value in body.items():
        members = value if isinstance(value, list) else [value] if isinstance(value, dict) else []
        objects = tuple(member for member in members if isinstance(member, dict))
        if name == "STATUS":
            status = status or (_status(objects[0]) if objects else _word(value))
        elif len(objects) == 1 and "STATUS" in objects[0] and isinstance(objects[0]["STATUS"], list):
            joined[name] = _reply(objects[0], 0)
        elif isinstance(value, list | dict):
            sections[name] = objects
    return Reply(status, sections, joined, repairs)


def _status(body: Section) -> Status:
    code, when = number(body.get("Code")), number(body.get("When"))
    return Status(
        letter=_text(body.get("STATUS")),
        code=None if code is None else int(code),
        words=_text(body.get("Msg")),
        description=_text(body.get("Description")),
        when_s=None if when is None else int(when),
    )


def _word(value: Value) -> Status | None:
    """`quit` and `restart` are answered with a word for a status."""
    return Status(value, None, "", "", None) if isinstance(value, str) else None


def _text(value: Value) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _bounded(value: Value, depth: int, text: str) -> Value:
    """The value with what is no finite number made None; Garbled when it is nested too deep."""
    if isinstance(value, int | float):
        return finite(value)
    if isinstance(value, list | dict):
        if depth == DEPTH_MAX:
            raise Garbled("", f"nested deeper than {DEPTH_MAX}", text.encode("utf-8", "replace"))
        if isinstance(value, list):
            return [_bounded(member, depth + 1, text) for member in value]
        return {key: _bounded(member, depth + 1, text) for key, member in value.items()}
    return value


def _shown(value: Value) -> bytes:
    return str(value)[:4096].encode("utf-8", "replace")


# --- the text form: CMD=..|STATUS=S,When=..,Code=..|SUMMARY,Elapsed=50,..| with `\` before | , = \ inside a value -----


def _decode_text(text: str) -> Reply:
    """A reply in text. A last item without its `|` has lost its end, so its last value is not believed."""
    items = _split(text, "|", keep=True)
    rest = items.pop()
    repairs = 0
    if rest.strip():
        repairs = 1
        items.append(",".join(_split(rest, ",", keep=True)[:-1]))
    replies: dict[str, Reply] = {}
    current = ""
    items_of: dict[str, list[str]] = {current: []}
    for item in items:
        if item.startswith("CMD="):
            current = item[4:]
            items_of.setdefault(current, [])
        elif item.strip():
            items_of[current].append(item.strip())
    for name, own in items_of.items():
        replies[name] = _text_reply(own)
        repairs += replies[name].repairs
    alone = replies.pop("")
    if not replies:
        return msgspec.structs.replace(alone, repairs=repairs)
    return Reply(alone.status, alone.sections, replies, repairs)


def _text_reply(items: list[str]) -> Reply:
    status: Status | None = None
    sections: dict[str, list[Section]] = {}
    repairs = 0
    for item in items:
        name, section, mended = _text_section(item)
        repairs += mended
        if name == "STATUS":
            status = status or _status(section)
        else:
            sections.setdefault(name, []).append(section)
    return Reply(status, {name: tuple(found) for name, found in sections.items()}, {}, repairs)


def _text_section(item: str) -> tuple[str, Section, int]:
    """`NAME,key=value,..` or `NAME=index,key=value,..`; a comma that was not escaped belongs to the value before it."""
    section: Section = {}
    name, key, mended = "", "", 0
    for at, field in enumerate(_split(item, ",", keep=True)):
        parts = _split(field, "=", most=1)
        if len(parts) == 2:
            key = parts[0]
            section[key] = parts[1]
            name = name or key
        elif at == 0:
            name = parts[0]
        else:
            section[key] = f"{section.get(key, '')},{parts[0]}"
            mended += 1
    return name, section, mended


def _split(text: str, separator: str, *, keep: bool = False, most: int = -1) -> list[str]:
    r"""Parts between separators that no `\` stands before; the `\` are taken out unless they are to be kept."""
    pieces = re.split(rf"(\\.|{re.escape(separator)})", text, flags=re.DOTALL)
    parts = [""]
    for piece in pieces:
        if piece == separator and most != 0:
            parts.append("")
            most -= 1
        elif len(piece) == 2 and piece[0] == "\\" and not keep:
            parts[-1] += piece[1]
        else:
            parts[-1] += piece
    return parts
