"""A queue on the disk: what was put comes out in order, over restarts, full disks, broken files and crashes."""

import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.uplink import lane as lanes
from agent.uplink.lane import BAD_MAX, MAGIC, Broken, Entry, Lane
from tests.shell.crash import CrashDisk, CrashFile, Files

FOLDER = Path("/state/spool/telemetry")


def entry(seq: int, boot: str = "b1", channel: str = "tele/main", size: int = 40) -> Entry:
    return Entry(boot, channel, seq, seq, 0, seq.to_bytes(8, "big") + bytes(size - 8))


def entries(first: int, last: int, size: int = 40) -> list[Entry]:
    return [entry(seq, size=size) for seq in range(first, last + 1)]


def opened(disk: CrashDisk) -> Lane:
    lane = Lane(disk, FOLDER)
    lane.open()
    return lane


def drain(lane: Lane, chunk: int = 3) -> list[int | str]:
    """The numbers in order; of a broken segment its name."""
    found: list[int | str] = []
    while taken := lane.take(chunk):
        for one in taken:
            if isinstance(one, Broken):
                found.append(one.segment)
            else:
                found.append(one.seq)
                lane.done()
    return found


def segments(disk: CrashDisk) -> list[str]:
    return sorted(name for name in disk.sizes(FOLDER) if name.endswith(".seg"))


def spoil(disk: CrashDisk, name: str, at: int) -> None:
    stored = disk.files[str(FOLDER / name)]
    stored.durable = stored.durable[:at] + bytes([stored.durable[at] ^ 0x55]) + stored.durable[at + 1 :]


def test_what_was_put_comes_out_in_order_and_leaves_nothing_behind() -> None:
    disk = CrashDisk()
    lane = opened(disk)
    lane.put(entries(0, 4))
    lane.put(entries(5, 9))

    assert lane.size
    assert drain(lane) == list(range(10))
    assert lane.empty
    assert (lane.size, segments(disk)) == (0, [])


def test_nothing_is_in_an_empty_lane() -> None:
    lane = opened(CrashDisk())

    assert lane.empty
    assert not lane.earlier
    assert lane.take(5) == []
    assert lane.drop_oldest() == []


def test_one_put_is_one_sync() -> None:
    disk = CrashDisk()
    lane = opened(disk)

    lane.put(entries(0, 99))

    assert disk.calls.count("sync") == 1


def test_a_restart_goes_on_after_what_was_done_with() -> None:
    disk = CrashDisk()
    lane = opened(disk)
    lane.put(entries(0, 9))
    lane.take(4)
    lane.done(4)
    lane.close()

    again = opened(disk)

    assert again.earlier
    assert drain(again) == [4, 5, 6, 7, 8, 9]
    assert not again.earlier


def test_a_kill_repeats_at_most_what_was_done_since_the_place_was_kept() -> None:
    disk = CrashDisk()
    lane = opened(disk)
    lane.put(entries(0, 199))
    lane.take(100)
    lane.done(70)

    assert drain(opened(disk), 50) == list(range(70, 200))

    lane.done(20)
    assert drain(opened(CrashDisk({name: stored.durable for name, stored in disk.files.items()})), 50) == []


def test_what_was_taken_and_given_back_is_taken_again() -> None:
    lane = opened(CrashDisk())
    lane.put(entries(0, 5))
    lane.take(4)
    lane.done(1)

    lane.give_back()

    assert drain(lane) == [1, 2, 3, 4, 5]


def test_what_is_put_while_the_rest_is_read_comes_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "SEGMENT_BYTES", 200)
    lane = opened(CrashDisk())
    lane.put(entries(0, 9))
    assert [one.seq for one in lane.take(2) if isinstance(one, Entry)] == [0, 1]

    lane.put(entries(10, 12))
    lane.done(2)

    assert drain(lane) == list(range(2, 13))


def test_a_full_disk_is_told_and_the_next_put_is_whole() -> None:
    disk = CrashDisk()
    lane = opened(disk)
    lane.put(entries(0, 2))
    disk.fails, disk.tears = errno.ENOSPC, True

    with pytest.raises(OSError, match="No space"):
        lane.put(entries(3, 5))

    disk.fails = 0
    lane.put(entries(3, 5))
    found = drain(lane)
    assert [one for one in found if isinstance(one, int)] == list(range(6))
    assert [one for one in found if isinstance(one, str)] == ["0000000001.seg"], "the torn end is told of"


def test_a_failed_sync_puts_nothing_more_into_that_file(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = CrashDisk()
    lane = opened(disk)
    lane.put(entries(0, 0))
    with monkeypatch.context() as broken:
        broken.setattr(CrashFile, "sync", _no_sync)
        with pytest.raises(OSError, match="error"):
            lane.put(entries(1, 1))

    lane.put(entries(1, 1))

    assert len(segments(disk)) == 2


def _no_sync(_: CrashFile) -> None:
    raise OSError(errno.EIO, "Input/output error")


def test_the_oldest_segment_goes_whole_and_says_what_it_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "SEGMENT_BYTES", 400)
    lane = opened(CrashDisk())
    lane.put(entries(0, 20))
    lane.take(2)
    lane.done(1)

    gone = [one.seq for one in lane.drop_oldest() if isinstance(one, Entry)]

    assert gone == list(range(1, gone[-1] + 1))
    assert drain(lane) == list(range(gone[-1] + 1, 21))


@pytest.mark.parametrize("place", ["magic", "length", "crc", "body"])
def test_a_broken_segment_is_read_up_to_the_break_told_of_and_set_aside(
    monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(lanes, "SEGMENT_BYTES", 250)
    disk = CrashDisk()
    lane = opened(disk)
    lane.put(entries(0, 11))
    one = (disk.sizes(FOLDER)["0000000001.seg"] - len(MAGIC)) // 4
    assert segments(disk) == [f"000000000{number}.seg" for number in (1, 2, 3)]
    at = {"magic": 0, "length": 1, "crc": 5, "body": 20}[place]
    spoil(disk, "0000000002.seg", at if place == "magic" else len(MAGIC) + 2 * one + at)

    found: list[Entry | Broken] = []
    while taken := lane.take(20):
        found += taken
        lane.done(sum(isinstance(one, Entry) for one in taken))

    seen = [one.seq for one in found if isinstance(one, Entry)]
    (broken,) = [one for one in found if isinstance(one, Broken)]
    first = 4 if place == "magic" else 6
    assert seen == [seq for seq in range(12) if not first <= seq < 8]
    assert broken.lost == (("tele/main", first, 7),)
    assert sorted(disk.sizes(FOLDER)) == ["0000000002.bad", "cursor"]
    assert lane.empty


def test_a_segment_that_is_gone_or_cannot_be_read_is_told_of() -> None:
    disk = CrashDisk()
    lane = opened(disk)
    lane.put(entries(0, 3))
    del disk.files[str(FOLDER / "0000000001.seg")]

    (broken,) = lane.take(5)

    assert isinstance(broken, Broken)
    assert broken.lost == (("tele/main", 0, 3),)
    assert drain(lane) == []
    assert lane.empty


def test_only_the_newest_broken_segments_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "SEGMENT_BYTES", 60)
    disk = CrashDisk()
    lane = opened(disk)
    lane.put(entries(0, 7))
    for name in segments(disk):
        spoil(disk, name, len(MAGIC) + 20)

    drain(lane)

    assert sorted(disk.sizes(FOLDER)) == [f"000000000{number}.bad" for number in range(9 - BAD_MAX, 9)]


@pytest.mark.parametrize("cursor", [b"", b"{", b'{"segment": "x"}', b"\xff" * 40, b'{"segment": 99, "offset": 0}'])
def test_no_cursor_and_no_nonsense_keeps_it_from_opening(cursor: bytes) -> None:
    disk = CrashDisk({str(FOLDER / "cursor"): cursor, str(FOLDER / "0000000003.seg"): b"", str(FOLDER / "x"): b"?"})

    lane = opened(disk)

    lane.put(entries(0, 2))
    assert drain(lane) == [0, 1, 2]


def test_a_cursor_beyond_every_segment_does_not_swallow_what_is_put_later() -> None:
    disk = CrashDisk({str(FOLDER / "cursor"): b'{"segment": 99, "offset": 12}'})
    opened(disk).put(entries(0, 2))

    assert drain(opened(disk)) == [0, 1, 2]


def test_every_crash_state_of_a_life_holds_what_was_put_once_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "SEGMENT_BYTES", 150)
    monkeypatch.setattr(lanes, "CURSOR_EVERY", 2)
    _live()


def test_the_judge_notices_when_nothing_is_synced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "SEGMENT_BYTES", 150)
    monkeypatch.setattr(CrashFile, "sync", lambda file: None)

    with pytest.raises(AssertionError, match="was put"):
        _live()


def _live() -> None:
    states: list[tuple[Files, int, int]] = []  # files; durable: all below were put; done: all below may be missing
    put = done = 0

    def crashed(files: Files) -> None:
        states.append((files, put, done))

    disk = CrashDisk(crashed=crashed)
    lane = opened(disk)
    for count, after in ((3, 0), (4, 2), (1, 4), (5, 1), (2, 6)):
        lane.put(entries(put, put + count - 1))
        put += count
        for _ in range(after):
            lane.take(1)
            done += 1  # from here on a crash may lose it: the broker has it
            lane.done()
    for files in disk.states():
        crashed(files)
    assert len(states) > 300
    for files, put_then, done_then in states:
        found = [one for one in drain(opened(CrashDisk(files))) if isinstance(one, int)]
        assert found == sorted(set(found)), f"{found} is not in order"
        missing = set(range(done_then, put_then)) - set(found)
        assert not missing, f"{missing} was put and is not there"


@given(st.lists(st.tuples(st.sampled_from(["put", "take", "done", "back", "restart", "drop"]), st.integers(1, 7))))
def test_whatever_is_done_to_it_nothing_is_lost_or_out_of_order(deeds: list[tuple[str, int]]) -> None:
    disk = CrashDisk()
    lane = opened(disk)
    put, out, finished = 0, [], 0  # out: taken and not done with
    expected = 0  # the next number to be taken
    for deed, count in deeds:
        if deed == "put":
            lane.put(entries(put, put + count - 1))
            put += count
        elif deed == "take":
            taken = [one.seq for one in lane.take(count) if isinstance(one, Entry)]
            assert taken == list(range(expected, expected + len(taken)))
            assert taken or expected == put
            out += taken
            expected += len(taken)
        elif deed == "done":
            count = min(count, len(out))
            lane.done(count)
            finished += count
            del out[:count]
        elif deed == "drop":
            gone = [one.seq for one in lane.drop_oldest() if isinstance(one, Entry)]
            assert gone == list(range(finished, finished + len(gone)))
            finished += len(gone)
            expected, out = finished, []
        else:
            if deed == "restart":
                lane.close()
                lane = opened(disk)
            else:
                lane.give_back()
            expected, out = finished, []
    lane.give_back()
    assert drain(lane) == list(range(finished, put))
