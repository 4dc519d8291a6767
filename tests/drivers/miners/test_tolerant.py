"""Each fault of the reference's table 1.8 in examples of our own, and what must stay garbled."""

import json

import pytest

from drivers.errors import Garbled
from drivers.miners.cgminer import decode_json, decode_reply
from drivers.miners.tolerant import Value, mend


@pytest.mark.parametrize(
    ("sent", "means", "mended"),
    [
        # a comma is missing between elements (bmminer stats)
        (
            '{"STATS":[{"Type":"X"}{"STATS":0,"fan1":4200}],"id":1}',
            {"STATS": [{"Type": "X"}, {"STATS": 0, "fan1": 4200}], "id": 1},
            1,
        ),
        ('{"a":[{}{}{}]}', {"a": [{}, {}, {}]}, 2),
        ('{"a":[[1][2]]}', {"a": [[1], [2]]}, 1),
        # an empty element (older Antminers and clones)
        ('{"a":[,{"b":1}]}', {"a": [{"b": 1}]}, 1),
        ('{"a":{"b":1,},"c":2}', {"a": {"b": 1}, "c": 2}, 1),
        ('{"a":[1,2,]}', {"a": [1, 2]}, 1),
        ('{"a":1,,"b":2}', {"a": 1, "b": 2}, 1),
        # a comma is missing between members (btminer 2023-01)
        ('{"a":"v""b":1}', {"a": "v", "b": 1}, 1),
        ('{"a":"""b":1}', {"a": "", "b": 1}, 1),
        ('{"a":1"b":2}', {"a": 1, "b": 2}, 1),
        ('{"a":"v" \n "b":1}', {"a": "v", "b": 1}, 1),
        ('{,""a":1}', {"a": 1}, 2),
        # control characters in strings
        ('{"a":"one\ntwo\tthree\x01"}', {"a": "one\ntwo\tthree\x01"}, 0),
        # no numbers (Avalon)
        ('{"a":nan,"b":-nan,"c":inf,"d":-inf,"e":NaN,"f":Infinity}', dict.fromkeys("abcdef"), 6),
        ('{"a":nan(0x8000),"b":-1.#IND}', {"a": None, "b": None}, 2),
        # the lone plus
        (',"id":1}', {"id": 1}, 1),
        # an array written like an object (Whatsminer get_error_code)
        (
            '{"error_code":["329":"2022-01-17 16:22:58","540":"2022-01-17 16:23:01"]}',
            {"error_code": [{"329": "2022-01-17 16:22:58"}, {"540": "2022-01-17 16:23:01"}]},
            2,
        ),
        # bytes after the end
        ('{"a":1}garbage', {"a": 1}, 1),
        ('{"a":1}{"b":2}', {"a": 1}, 1),
        # quotes and braces inside strings
        ('{"MM ID0":"SSID["home"] RSSI[0]","x":1}', {"MM ID0": 'SSID["home"] RSSI[0]', "x": 1}, 2),
        ('{"MM ID0":"SSID[""] RSSI[0]","x":1}', {"MM ID0": 'SSID[""] RSSI[0]', "x": 1}, 2),
        ('{"a":"}{ ,} [, nan ""b""","c":[1 2]}', {"a": '}{ ,} [, nan ""b""', "c": [1, 2]}, 5),
        # wrong escapes
        (r'{"a":"C:\dir","b":"\u12","c":"\u00e9"}', {"a": r"C:\dir", "b": r"\u12", "c": "é"}, 2),
        # what is nearly a number is one, what is not stays text
        ('{"a":007,"b":+5,"c":5.,"d":.5}', {"a": 7, "b": 5, "c": 5.0, "d": 0.5}, 4),
        ('{"a":0x1F,"b":1.2.3,"c":Y,"d":12W}', {"a": "0x1F", "b": "1.2.3", "c": "Y", "d": "12W"}, 4),
        ('{"a":٣}', {"a": "٣"}, 1),
        ('{"a":%s}' % ("1" * 50), {"a": "1" * 50}, 0),
        # no value
        ('{"a":,"b":}', {"a": None, "b": None}, 2),
    ],
)
def test_a_known_fault_is_mended_and_counted(sent: str, means: Value, mended: int) -> None:
    assert mend(sent) == (means, mended)


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "{",
        '{"a"',
        '{"a":',
        '{"a":1',
        '{"a":12.',
        '{"a":"b',
        '{"a":"b"',
        '{"a":[1,2',
        '{"a":[1,2}',
        '{"a":{"b":1]',
        '{"a" 1}',
        "{{}}",
        "[:]",
        '{"a":"\\',
        "[1:2]",
        "[" * 40 + "]" * 40,
    ],
)
def test_what_is_cut_off_or_not_understood_is_garbled(sent: str) -> None:
    with pytest.raises(Garbled):
        mend(sent)


@pytest.mark.parametrize(
    "sent",
    [
        '{"a":[1,2.5,-3,true,false,null,"x\\"y\\\\z\\u00e9"],"b":{"c":{}},"d":[],"e":1e3,"f":""}',
        '{"a":"}{","b":",}","c":"[,{","d":"nan"}',
    ],
)
def test_faultless_json_is_read_as_every_parser_does_without_a_mend(sent: str) -> None:
    assert mend(sent) == (json.loads(sent), 0)
    assert decode_json(sent) == (json.loads(sent), 0)


def test_a_million_quotes_are_refused_in_linear_time() -> None:
    with pytest.raises(Garbled):
        mend('{"a":' + '"' * 1_000_000)


def test_a_mended_reply_says_how_much_was_mended() -> None:
    assert decode_reply(b'{"STATUS":[{"STATUS":"S","Code":70}],"STATS":[{"a":nan}{"b":1}],"id":1}\0').repairs == 2
