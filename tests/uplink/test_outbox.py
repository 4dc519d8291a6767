"""What waits, what goes first, and what is dropped when there is no room."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from agent.uplink.outbox import OVERHEAD_BYTES, Item, Loss, Outbox, Rank

SIZE = 100 + OVERHEAD_BYTES


def outbox(room: int) -> Outbox:
    return Outbox(room * SIZE, Counter())


def put(box: Outbox, channel: str, seq: int, rank: Rank = Rank.TELEMETRY) -> None:
    box.put(channel, seq, bytes(100), rank, 0)


def drain(box: Outbox) -> list[tuple[str, int]]:
    found = []
    while (item := box.take() or box.take_backlog()) is not None:
        found.append((item.channel, item.seq))
        box.delivered(item)
    return found


def test_urgent_goes_before_live_and_live_before_backlog() -> None:
    box = outbox(10)
    put(box, "tele/main", 0)
    box.requeue()
    put(box, "tele/main", 1)
    put(box, "evt", 0, Rank.EVENT)

    assert drain(box) == [("evt", 0), ("tele/main", 1), ("tele/main", 0)]
    assert (len(box), box.bytes) == (0, 0)


def test_what_was_on_its_way_when_the_connection_went_is_sent_again_in_order() -> None:
    box = outbox(10)
    for seq in range(4):
        put(box, "tele/main", seq)
    first = [box.take(), box.take()]
    assert None not in first

    box.requeue()

    assert drain(box) == [("tele/main", seq) for seq in range(4)]


def test_a_full_outbox_drops_the_oldest_telemetry_and_says_which() -> None:
    box = outbox(4)
    put(box, "evt", 0, Rank.EVENT)
    for seq in range(6):
        put(box, "tele/main", seq)

    assert box.take_losses() == [Loss("tele/main", 0, 2, "spool_full")]
    assert drain(box) == [("evt", 0), ("tele/main", 3), ("tele/main", 4), ("tele/main", 5)]


def test_events_go_only_when_there_is_no_telemetry_left_and_acknowledgements_last() -> None:
    box = outbox(2)
    put(box, "ack/dispatch", 0, Rank.ACK)
    put(box, "evt", 0, Rank.EVENT)
    put(box, "evt", 1, Rank.EVENT)
    put(box, "ack/dispatch", 1, Rank.ACK)
    put(box, "ack/dispatch", 2, Rank.ACK)

    assert box.take_losses() == [Loss("evt", 0, 1, "spool_full"), Loss("ack/dispatch", 0, 0, "spool_full")]


def test_a_gap_record_is_never_dropped() -> None:
    box = outbox(1)
    put(box, "tele/main", 0, Rank.GAP)
    put(box, "tele/main", 1, Rank.GAP)

    assert box.take_losses() == []


def test_the_mark_is_the_lowest_number_that_may_be_missing() -> None:
    box = outbox(3)
    assert box.undelivered_from("tele/main", 0) == 0
    for seq in range(5):
        put(box, "tele/main", seq)
    assert box.undelivered_from("tele/main", 5) == 0  # 0 and 1 are lost and not declared

    (loss,) = box.take_losses()
    box.put("tele/main", 5, bytes(100), Rank.GAP, 0, low=loss.first)
    for item in iter(box.take, None):
        assert isinstance(item, Item)
        if item.rank is Rank.TELEMETRY:
            box.delivered(item)

    assert box.undelivered_from("tele/main", 6) == 0  # its gap is not delivered


@given(st.lists(st.sampled_from([*Rank, "take", "deliver", "reconnect"]), max_size=80), st.integers(1, 8))
def test_every_number_is_delivered_once_or_declared_lost_and_memory_is_bounded(steps: list[object], room: int) -> None:
    box = outbox(room)
    channels = {Rank.TELEMETRY: "tele/main", Rank.EVENT: "evt", Rank.ACK: "ack/x"}
    made: Counter[str] = Counter()
    came: list[tuple[str, int]] = []
    taken: list[Item] = []
    for step in steps:
        if isinstance(step, Rank) and step is not Rank.GAP:
            channel = channels[step]
            put(box, channel, made[channel], step)
            made[channel] += 1
            assert box.bytes <= (room + len(taken)) * SIZE
        elif step == "take" and (item := box.take() or box.take_backlog()) is not None:
            taken.append(item)
        elif step == "deliver" and taken:
            came.append((taken[0].channel, taken[0].seq))
            box.delivered(taken.pop(0))
        elif step == "reconnect":
            taken.clear()
            box.requeue()
    box.requeue()
    came += drain(box)
    lost = [(loss.channel, seq) for loss in box.take_losses() for seq in range(loss.first, loss.last + 1)]

    assert sorted(came + lost) == sorted((channel, seq) for channel in made for seq in range(made[channel]))
