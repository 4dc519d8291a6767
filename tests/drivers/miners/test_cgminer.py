"""The codec: requests, statuses, joins, the text form, and what is no reply. Vectors are from recordings."""

import pytest

from drivers.errors import Garbled
from drivers.miners.cgminer import REPLY_BYTES_MAX, decode_reply, encode_request, number
from tests.drivers.miners.captures import kept

OK = b'{"STATUS":[{"STATUS":"S","When":1,"Code":11,"Msg":"Summary","Description":"x"}]'


@pytest.mark.parametrize(
    ("command", "parameter", "wire"),
    [
        ("devs", None, b'{"command":"devs"}'),
        ("pgadisable", "0", b'{"command":"pgadisable","parameter":"0"}'),
        ("ascset", "0,softoff,1:5", b'{"command":"ascset","parameter":"0,softoff,1:5"}'),
    ],
)
def test_a_request_is_one_json_object_without_an_end_sign(command: str, parameter: str | None, wire: bytes) -> None:
    assert encode_request(command, parameter) == wire


@pytest.mark.parametrize(
    ("file", "letter", "code", "words"),
    [
        ("bfgminer-5.5.0-local/pgadisable-0.json", "I", 64, "PGA 0 set disable flag"),
        ("bfgminer-5.5.0-local/pga-7.json", "E", 58, "Invalid PGA id 7 - range is 0 - 0"),
        ("cgminer-4.11.1-local/dbgstats.json", "F", -1, "126"),
        ("cgminer-4.11.1-local/quit.json", "BYE", None, ""),
        ("cgminer-4.11.1-local/restart.json", "RESTART", None, ""),
        ("cgminer-4.11.1-local/bogus.txt", "E", 14, "Invalid command"),
        ("cgminer-4.11.1-local/r-privileged.txt", "E", 45, "Access denied to 'privileged' command"),
    ],
)
def test_a_status_is_letter_code_and_words(file: str, letter: str, code: int | None, words: str) -> None:
    status = decode_reply(kept(file)).status

    assert status is not None
    assert (status.letter, status.code, status.words) == (letter, code, words)


def test_the_program_s_own_name_may_hold_an_escaped_comma() -> None:
    status = decode_reply(kept("cgminer-4.11.1-local/p-version.txt")).status

    assert status is not None
    assert status.description == "Rack 7, slot 3"


def test_escapes_of_the_text_form_and_of_json_say_the_same() -> None:
    text = decode_reply(kept("cgminer-4.11.1-local/pools-escaped.txt")).sections["POOL"]
    json = decode_reply(kept("cgminer-4.11.1-local/pools-escaped.json")).sections["POOLS"]

    assert [pool["URL"] for pool in text] == [pool["URL"] for pool in json]
    assert text[1]["URL"] == 'stratum+tcp://127.0.0.1:3998/a,b"c|d'


def test_a_join_is_a_reply_for_each_command() -> None:
    json = decode_reply(kept("bfgminer-5.5.0-local/summary_and_devs.json"))
    text = decode_reply(kept("bfgminer-5.5.0-local/summary_and_devs.txt"))

    for joined in (json.joined, text.joined):
        assert list(joined) == ["summary", "devs"]
        status = joined["devs"].status
        assert status is not None
        assert status.code == 9
    assert number(json.joined["devs"].sections["DEVS"][0]["MHS 20s"]) == 1.607
    assert number(text.joined["devs"].sections["PGA"][0]["MHS 20s"]) == 1.607


def test_a_refused_member_of_a_join_is_refused_in_its_own_place() -> None:
    joined = decode_reply(kept("cgminer-4.11.1-local/summary_and_quit.json")).joined

    assert joined["summary"].status is not None
    assert joined["summary"].status.code == 11
    assert joined["quit"].status is not None
    assert joined["quit"].status.code == 45


def test_the_answer_to_a_lone_plus_is_no_data_and_no_error() -> None:
    reply = decode_reply(kept("bfgminer-5.5.0-local/plus-only.json"))

    assert (reply.status, reply.sections, reply.joined, reply.repairs) == (None, {}, {}, 1)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0\0\0",
        b"Socket connect failed: Connection refused\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"<html><body>It works!</body></html>",
        b"error 6060 cmd",
        b'"just a string"',
        b"[1,2,3]",
        b"12345",
        b"\xff\xfe\x00\x01",
        OK,
        OK + b',"SUMMARY":[{"MHS av":12',
        OK + b',"SUMMARY":[{"Name":"half',
        b'{"a":' * 33 + b"1" + b"}" * 33,
        b"{" + b" " * REPLY_BYTES_MAX + b"}",
    ],
)
def test_what_is_no_whole_reply_is_garbled_and_keeps_its_text(raw: bytes) -> None:
    with pytest.raises(Garbled) as caught:
        decode_reply(raw)

    assert caught.value.raw[:4] == raw.strip(b"\0 \n")[:4] or raw in (b"", b"\0\0\0", b"\xff\xfe\x00\x01", b"[1,2,3]")


def test_a_text_reply_without_its_last_bar_loses_its_last_value() -> None:
    reply = decode_reply(b"STATUS=S,When=5,Code=11,Msg=Summary|SUMMARY,MHS 5s=123,Elapsed=45")

    assert reply.sections["SUMMARY"] == ({"MHS 5s": "123"},)
    assert reply.repairs == 1


def test_a_comma_that_was_not_escaped_belongs_to_the_value_before_it() -> None:
    reply = decode_reply(b"STATS=0,MM ID0=SYSTEMSTATU[Work: In Work, Hash Board: 3 ] Temp[25],MM Count=1|")

    assert reply.sections["STATS"][0]["MM ID0"] == "SYSTEMSTATU[Work: In Work, Hash Board: 3 ] Temp[25]"
    assert reply.sections["STATS"][0]["MM Count"] == "1"


@pytest.mark.parametrize(
    ("said", "means"),
    [
        (5, 5.0),
        (5.5, 5.5),
        ("58.94W", 58.94),
        ("245.00V", 245.0),
        ("'3012'", 3012.0),
        ("-273.00", -273.0),
        ("31%", 31.0),
        ("1e3", 1000.0),
        (" 7", 7.0),
        ("'20200512.13.REL'", None),
        ("51-51-60-60", None),
        ("12:30", None),
        ("0x0C", None),
        ("nan", None),
        ("inf", None),
        ("-nan", None),
        ("", None),
        ("FAILED", None),
        (True, None),
        (None, None),
        (float("inf"), None),
        (float("nan"), None),
        (1e300, None),
        ([5], None),
        ("9" * 400, None),
    ],
)
def test_a_number_is_what_says_one_and_nothing_else(said: object, means: float | None) -> None:
    assert number(said) == means  # type: ignore[arg-type]
