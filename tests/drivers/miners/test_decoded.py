"""What each recording shows, and that its family's dialect says just that, whole and one byte at a time.

READ lists the polls that recordings answer: a row for every folder, or the reason why there is none. Recordings that
may not be copied are read from the collection beside the repository, when it is there.
"""

import json
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec import structs

from drivers.errors import Garbled
from drivers.miners.cgminer import Reply, decode_json, decode_reply
from drivers.miners.dialect import Account, Framing, Heard, Request, Secret, Seen, State
from drivers.miners.families import FAMILIES, speak
from drivers.miners.framing import splitter
from tests.drivers.miners.captures import KEPT, SHARED, replies


class Shown(NamedTuple):
    """What a recording shows of its miner's state."""

    step: str | None
    watts: float | None
    measured: bool
    ths: float | None
    hot_c: float | None


class Read(NamedTuple):
    """One poll: which family, and the recordings that answer its requests, by a part of the request."""

    family: str
    answers: dict[str, str]
    shown: Shown


WHATSMINER = {'"status"': "status.json", '"summary"': "summary.json"}
BRAIINS = {"auth/login": "{token}", "miner/details": "miner_details.json", "miner/stats": "miner_stats.json"}
BRAIINS |= {"cooling/state": "cooling_state.json"}
ANTMINER = {'"stats"': "stats.json"}

READ: dict[str, tuple[Read, ...]] = {
    "antminer-s17-stock": (Read("antminer", ANTMINER, Shown("on", None, False, 54.99701, 80.0)),),
    "antminer-s19-stock-fw20201211-sleeping": (
        Read(
            "antminer",
            ANTMINER | {"get_miner_conf": "get_miner_conf.cgi.json"},
            Shown("off", None, False, 0.0, 40.0),
        ),
    ),
    "antminer-s19pro-bmminer1.0.0-fw20221206": (Read("antminer", ANTMINER, Shown("on", None, False, 110.56689, 78.0)),),
    "antminer-s19pro-stock-2020": (Read("antminer", ANTMINER, Shown("on", None, False, 110.78679, 27.0)),),
    "antminer-s21-stock-fw20240711": (
        Read("unknown", {'"summary"': "summary.json"}, Shown("on", None, False, 203.00701, None)),
    ),
    "antminer-s21-stock-fw20251009": (),  # get_system_info alone: a name for `ballast scan`
    "antminer-s9-hiveon": (Read("hiveon", ANTMINER, Shown("on", None, False, 11.7814, 74.0)),),
    "antminer-s9-vnish-3.8.6": (Read("antminer", ANTMINER, Shown("on", None, False, 12.79548, 80.0)),),
    "auradine-fluxos-2023": (
        Read(
            "auradine",
            {'"devs"': "devs.json", "/token": '{"Token":[{"Token":"t"}]}', "/mode": "mode.json", "/psu": "psu.json"},
            Shown("on", 58.94, True, 20.7, 30.12),
        ),
    ),
    "avalon-1047-20051101": (),  # one joined reply; test_cgminer reads joins
    "avalon-1066-19101244-text": (),  # the vendor's samples of text replies; test_captures reads them
    "avalon-1246-21072802": (Read("avalon", {"stats": "stats.json"}, Shown("on", 3504.0, True, 81.07268, 77.0)),),
    "avalon-741-1706": (Read("avalon", {"stats": "stats.json"}, Shown(None, None, False, 68.24351, 92.0)),),
    "avalon-q-25052801": (Read("avalon", {"stats": "litestats.json"}, Shown("off", 146.0, True, 0.0, 27.0)),),
    "bfgminer-5.5.0-local": (),  # test_devices
    "bitaxe-axeos-2.0.0": (
        Read("bitaxe", {"/api/system/info": "api_system_info.json"}, Shown("on", 2.65000009536743, True, 1.0, 27.0)),
    ),
    "braiins-bos-21.09": (),  # GraphQL, which is not spoken; version names the family
    "braiins-bos-24.09": (),  # the same
    "braiins-bos-25.07": (Read("braiins", BRAIINS, Shown("on", 3137.0, False, 141.46356540072063, 70.5)),),
    "braiins-bos-26.04": (Read("braiins", BRAIINS, Shown("on", 3480.0, False, 248.18667720002498, 65.375)),),
    "braiins-bosminerplus-0.2.0": (
        Read("unknown", {'"summary"': "summary.json"}, Shown("on", None, False, 15.740915842676325, None)),
    ),
    "cgminer-4.11.1-local": (),  # test_cgminer
    "epic-powerplay": (Read("epic", {"/summary": "summary.json"}, Shown("on", 2166.6174, True, 99.365848, 67.0)),),
    "luxos-doc-examples": (),  # test_luxos
    "luxos-s19kpro-2025.4.8": (
        Read(
            "luxos",
            {'"config"': "config.json", '"power"': "power.json", '"devs"': "devs.json"},
            Shown("on", 1051.0, False, 59.75606672695643, 47.0),
        ),
    ),
    "vnish-1.2.7-s21pro": (
        Read(
            "vnish",
            {"/unlock": '{"token":"t"}', "/summary": "web-summary.json"},
            Shown("on", 2583.0, True, 173.87094, 65.0),
        ),
    ),
    "whatsminer-api2.0.5": (Read("whatsminer", WHATSMINER, Shown("on", 3200.0, False, 124.5, 81.0)),),
    "whatsminer-cgminer4.9.2-fw20201202-high-mode": (
        Read(
            "whatsminer",
            {'"status"': '{"STATUS":"S","Code":131,"Msg":{"btmineroff":"false"}}', '"summary"': "summary.json"},
            Shown("on", 3552.0, True, 92.76828894, 93.0),
        ),
    ),
    "whatsminer-crypto-vectors": (),  # test_whatsminer
    "whatsminer-m20-api1.4.0": (Read("whatsminer", WHATSMINER, Shown("on", 3427.0, False, 70.66811452, 92.5)),),
    "whatsminer-m30s-fw20200512-and-status-v1.3": (
        Read(
            "whatsminer",
            {'"status"': "cmd-form-status.json", '"summary"': "summary.json"},
            Shown("off", 3232.0, True, 85.03843001, 99.79),
        ),
    ),
    "whatsminer-m60s-api3.0.2-fw20251209": (
        Read(
            "whatsminer-v3",
            {"get.device.info": "get_device_info.json", '"summary"': "get_miner_status_summary.json"},
            Shown("on", 3156.0, False, 171.259, 82.0),
        ),
    ),
    "whatsminer-status-replies": (
        Read("whatsminer", {'"status"': "fw20220919.15-v1.4.0-off.json"}, Shown("off", None, False, None, None)),
        Read("whatsminer", {'"status"': "fw20230803.11.json"}, Shown("on", None, False, None, None)),
        Read("whatsminer", {'"status"': "fw20250214.16.1-v3device.json"}, Shown("on", None, False, None, None)),
    ),
}

_ROOT = SHARED if SHARED.is_dir() else KEPT
_ROWS = [
    pytest.param(folder, read, id=f"{folder}-{at}")
    for folder, reads in READ.items()
    for at, read in enumerate(reads)
    if (_ROOT / folder).is_dir()
]
_NO_JSON = ("plus-only.json", "notallowed-summary.json")  # `,"id":1}`, and nothing at all
_MALFORMED = ("antminer-s9-hiveon/stats.json", "antminer-s9-vnish-3.8.6/stats.json")


def _as_sent(request: Request, body: bytes) -> bytes:
    """A recorded body as it goes over the wire in answer to this request."""
    if request.framing is Framing.HTTP:
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    if request.framing is Framing.LENGTH:
        return len(body).to_bytes(4, "little") + body
    return body if body.endswith(b"\0") else body + b"\0"


def _state(folder: Path, read: Read, piece: int) -> State:
    account = Account(password=Secret("x"), writes=False)
    dialect = speak(read.family, account)
    poll = dialect.poll(None, 0)
    try:
        request = next(poll)
        while True:
            name = next((name for part, name in read.answers.items() if part.encode() in request.raw), "")
            body = name.encode() if name.startswith("{") else (folder / name).read_bytes() if name else b"{}"
            body = b'{"token":"t"}' if body == b"{token}" else body
            raw, cutter, whole = _as_sent(request, body), splitter(request.framing, 1 << 20), None
            for at in range(0, len(raw), piece):
                whole = whole or cutter.feed(raw[at : at + piece])
            request = poll.send(Heard(whole or cutter.held, 0))
    except StopIteration as done:
        state: State = done.value
        return structs.replace(state, seen=Seen())


@pytest.mark.parametrize(("folder", "read"), _ROWS)
def test_a_recording_decodes_to_what_it_shows_whole_and_byte_by_byte(folder: str, read: Read) -> None:
    whole, dripped = (_state(_ROOT / folder, read, piece) for piece in (1 << 20, 1))

    assert whole == dripped
    shown = Shown(whole.step, whole.watts, whole.measured, whole.hash_rate_ths, whole.temperature_c)
    assert shown._replace(ths=None) == read.shown._replace(ths=None)
    assert shown.ths == pytest.approx(read.shown.ths)


@pytest.mark.parametrize("root", [KEPT, SHARED], ids=["kept", "shared"])
def test_every_folder_of_recordings_is_in_the_table(root: Path) -> None:
    folders = {path.name for path in root.iterdir() if path.is_dir()} if root.is_dir() else set()

    assert folders <= READ.keys()
    assert {read.family for reads in READ.values() for read in reads} <= FAMILIES.keys()


@pytest.mark.parametrize("path", replies(_ROOT), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_value_of_a_recording_is_read_as_it_stands(path: Path) -> None:
    raw = path.read_bytes()
    if path.suffix == ".txt" or raw.startswith(b"STATUS="):
        reply = decode_reply(raw)
        assert reply.status is not None or reply.sections or reply.joined
        return
    text = raw.rstrip(b"\0").decode("utf-8", "replace").strip()
    if path.name in _NO_JSON:
        assert not text.startswith("{")
        return
    if text[:1] not in ("{", "["):
        assert json.loads(text) is not None  # a bare true or false: what an action answers
        return
    value, mended = decode_json(text)
    if f"{path.parent.name}/{path.name}" in _MALFORMED:
        assert mended == 1
        text = text.replace("}{", "},{")
    assert value == json.loads(text)


def test_what_is_malformed_in_recordings_that_may_not_be_copied_is_mended() -> None:
    """`}{` between the rows of STATS, as an S9's bmminer sends it; own example."""
    raw = b'{"STATUS":[{"STATUS":"S","Code":70}],"STATS":[{"Type":"Antminer S9"}{"Elapsed":69,"GHS 5s":"11781.40"}]}\0'

    reply: Reply = decode_reply(raw)

    assert (reply.sections["STATS"][1]["GHS 5s"], reply.repairs) == ("11781.40", 1)
    with pytest.raises(Garbled):
        decode_reply(raw[:-20])
