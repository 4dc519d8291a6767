"""Frames and the greeting: whole, byte by byte, nonsense, other versions. The layout is that of frames.py."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import Garbled
from drivers.gpu.frames import BYTES_MAX, FrameSplitter, frame
from drivers.gpu.leases import Leases
from drivers.gpu.messages import (
    FREE,
    Clocks,
    FromClient,
    FromDaemon,
    Goodbye,
    GpuInfo,
    GpuReading,
    Hello,
    Lease,
    List,
    Listed,
    Read,
    Readings,
    Renew,
    Renewed,
    Set,
    SetDone,
    Welcome,
    Xid,
)
from drivers.gpu.orders import Applied, Apply, Enumerate, Enumerated, Look, Looked
from drivers.gpu.server import Client
from drivers.gpu.supervisor import Supervisor

READING = GpuReading("GPU-1", "ok", 5, power_w=412.345, limit_w=700.0, clocks=FREE, xids=(Xid(1, 79, 3),))
ASKED = [
    Hello((1,), "ballast"),
    List(1),
    Read(2),
    Set(3, "GPU-1", 350.0, Clocks(210, 210)),
    Set(4, "GPU-1"),
    Renew(5, (Lease("GPU-1", 500.0),)),
]
SAID = [
    Welcome(1),
    Goodbye("why"),
    Listed(1, "ok", "", (GpuInfo("GPU-1", "H100", "580"),)),
    Readings(2, "hung", "no answer", (READING,)),
    SetDone(3, "GPU-1", "no_permission", True, "root", 700.0),
    Renewed(5),
]


def test_every_message_comes_back_as_it_went_whole_and_byte_by_byte() -> None:
    for types, messages in ((FromClient, ASKED), (FromDaemon, SAID)):
        stream = b"".join(map(frame, messages))
        splitter = FrameSplitter(types, "peer")

        whole = list(FrameSplitter(types, "peer").feed(stream))
        bytewise = [message for byte in stream for message in splitter.feed(bytes([byte]))]

        assert whole == messages
        assert bytewise == messages


def test_the_orders_of_the_worker_go_through_the_same_frames() -> None:
    orders = [Enumerate(), Look("GPU-1"), Apply("GPU-1", 350.0, None, True)]
    answers = [Enumerated("no_library", "gone"), Looked(READING), Applied("ok", True, "", 350.0, FREE)]

    splitter = FrameSplitter(Enumerate | Look | Apply, "supervisor")
    assert list(splitter.feed(b"".join(map(frame, orders)))) == orders
    splitter = FrameSplitter(Enumerated | Looked | Applied, "worker")
    assert list(splitter.feed(b"".join(map(frame, answers)))) == answers


@given(st.binary(max_size=200), st.integers(1, 7))
def test_nonsense_is_garbled_or_waited_for_and_nothing_else(data: bytes, piece: int) -> None:
    splitter = FrameSplitter(FromClient, "peer")

    with suppress(Garbled):
        for at in range(0, len(data), piece):
            for message in splitter.feed(data[at : at + piece]):
                assert isinstance(message, FromClient)


@given(st.sampled_from(ASKED), st.integers(0, 1 << 16), st.integers(0, 255))
def test_a_flipped_byte_is_another_message_or_garbled(message: FromClient, at: int, byte: int) -> None:
    body = bytearray(frame(message)[4:])
    body[at % len(body)] = byte

    splitter = FrameSplitter(FromClient, "peer")
    with suppress(Garbled):
        assert all(isinstance(heard, FromClient) for heard in splitter.feed(struct.pack(">I", len(body)) + body))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (struct.pack(">I", BYTES_MAX + 1), "at most"),
        (struct.pack(">I", 0), "no message"),
        (struct.pack(">I", 4) + b"\xc0\xc0\xc0\xc0", "no message"),
        (struct.pack(">I", 50_000) + b"\x91" * 50_000, "no message"),  # an array in an array in an array ...
    ],
)
def test_what_can_be_no_message_is_garbled(data: bytes, why: str) -> None:
    with pytest.raises(Garbled, match=why):
        list(FrameSplitter(FromClient, "peer").feed(data))


@pytest.mark.parametrize(
    "message",
    [
        Set(1, "GPU-1", float("nan")),
        Set(1, "GPU-1", float("inf")),
        Set(1, "GPU-1", 0.0),
        Set(1, "GPU-1", -350.0),
        Set(1, "GPU-1", 350.0, Clocks(-1, 210)),
        Set(1, "G" * 97, 350.0),
        Renew(1, (Lease("GPU-1", float("nan")),)),
        Renew(1, (Lease("GPU-1", 500.0),) * 65),
    ],
)
def test_numbers_that_no_driver_should_see_are_garbled(message: FromClient) -> None:
    with pytest.raises(Garbled, match="no message"):
        list(FrameSplitter(FromClient, "peer").feed(frame(message)))


def client() -> Client:
    supervisor = Supervisor(lambda: 0, Leases({}, 0), ceiling_w=None, on_leases=lambda fallbacks: None)
    return Client(supervisor, "process 1")


def answers(asked: Client) -> list[FromDaemon]:
    return list(FrameSplitter(FromDaemon, "gpud").feed(asked.take()))


def test_the_highest_version_both_speak_is_agreed_on() -> None:
    asking = client()

    asking.feed(frame(Hello((1, 2, 7))) + frame(Read(9)))

    assert answers(asking) == [Welcome(1), Readings(9, "starting", "", ())]


def test_without_a_common_version_the_reason_is_told_and_nothing_else_is_heard() -> None:
    asking = client()

    asking.feed(frame(Hello((2, 3))) + frame(Read(9)))

    (goodbye,) = answers(asking)
    assert isinstance(goodbye, Goodbye)
    assert "versions (1,)" in goodbye.why
    assert asking.ended


def test_who_does_not_greet_is_sent_away() -> None:
    asking = client()

    asking.feed(frame(Read(9)))

    assert answers(asking) == [Goodbye("greet first")]


def test_nonsense_after_the_greeting_ends_the_talk_with_its_reason() -> None:
    asking = client()

    asking.feed(frame(Hello((1,))) + b"\xff\xff\xff\xff")

    assert [type(answer) for answer in answers(asking)] == [Welcome, Goodbye]
    assert asking.ended


def test_unknown_fields_are_ignored_so_that_a_newer_peer_is_understood() -> None:
    body = b"\x84" + b"\xa4type\xa4read" + b"\xa2id\x07" + b"\xa4soon\xc3" + b"\xa4more\x90"

    assert list(FrameSplitter(FromClient, "peer").feed(struct.pack(">I", len(body)) + body)) == [Read(7)]
