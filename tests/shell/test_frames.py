"""The journal's frames: what is whole is found, and every way to be broken is told from every other."""

from hypothesis import given
from hypothesis import strategies as st

from agent.shell.frames import End, frame, scan

PAYLOADS = st.lists(st.binary(max_size=40).filter(lambda payload: b"\n" not in payload), min_size=1, max_size=6)


@given(PAYLOADS)
def test_whole_frames_come_back_in_order(payloads: list[bytes]) -> None:
    data = b"".join(map(frame, payloads))

    scanned = scan(data)

    assert scanned.payloads == tuple(payloads)
    assert (scanned.end, scanned.good_bytes) == (End.CLEAN, len(data))


@given(PAYLOADS, st.data())
def test_a_cut_last_frame_is_torn_and_the_others_stand(payloads: list[bytes], data: st.DataObject) -> None:
    good = b"".join(map(frame, payloads))
    last = frame(b"the last commit")
    cut = data.draw(st.integers(1, len(last) - 1))

    scanned = scan(good + last[:cut])

    assert scanned.payloads == tuple(payloads)
    assert (scanned.end, scanned.good_bytes) == (End.TORN, len(good))


@given(PAYLOADS, st.data())
def test_one_changed_bit_never_gives_other_payloads(payloads: list[bytes], data: st.DataObject) -> None:
    good = bytearray(b"".join(map(frame, payloads)))
    bit = data.draw(st.integers(0, len(good) * 8 - 1))
    good[bit // 8] ^= 1 << bit % 8

    scanned = scan(bytes(good))

    assert scanned.end is not End.CLEAN
    assert set(scanned.payloads) <= set(payloads)
    assert len(scanned.payloads) < len(payloads)


def test_a_whole_frame_behind_a_bad_one_is_corruption_and_is_still_found() -> None:
    first, second, third = frame(b"first"), bytearray(frame(b"second")), frame(b"third")
    second[-1] ^= 1

    scanned = scan(first + bytes(second) + third)

    assert scanned.payloads == (b"first", b"third")
    assert (scanned.end, scanned.good_bytes) == (End.CORRUPT, len(first))


def test_a_bad_first_frame_is_corruption_since_it_was_synced_before_the_file_had_its_name() -> None:
    assert scan(frame(b"only")[:-1]).end is End.CORRUPT
    assert scan(b"").end is End.CORRUPT


def test_zeros_are_no_frames() -> None:
    first = frame(b"first")

    assert scan(first + bytes(500)).end is End.TORN
    assert scan(bytes(500)).payloads == ()
