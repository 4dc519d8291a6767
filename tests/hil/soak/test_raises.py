"""Judges of raising: each is silent over a trace in which all is well, and fires over a doctored one."""

from hil.soak.judges.raises import (
    judge_minimum_off,
    judge_raise_knows_the_net,
    judge_raise_needs_permits,
    judge_raise_of_what_we_lowered,
    judge_raise_within_limit,
    judge_ramp,
    judge_ramp_at_the_plant,
    judge_tags,
)
from hil.soak.trace import Fault, Limit, Sent, Turn
from tests.hil.soak.traces import (
    FULL_W,
    MINERS,
    drawn,
    dry_round,
    fault,
    good_round,
    ns,
    record,
    silent,
    told,
    well,
)

DOWN_AND_UP = told(30, "off") + told(60, "on", every_s=6.0)  # 3 kW every 6 s: the ramp's 500 W/s


def test_loads_that_we_lowered_may_be_raised_by_the_ramp() -> None:
    trace = well(verbs=DOWN_AND_UP)

    for judge in (judge_raise_of_what_we_lowered, judge_minimum_off, judge_ramp, judge_raise_knows_the_net):
        assert (judge(trace).count, judge(trace).broken) == (10, ())


def test_a_load_that_we_never_lowered_may_not_be_raised() -> None:
    trace = well(verbs=told(60, "on", MINERS[:1]))

    assert judge_raise_of_what_we_lowered(trace).broken


def test_a_load_that_went_off_by_itself_may_be_released() -> None:
    moved = [fault("miners move", 30, 35, targets=(MINERS[0],))]

    assert not judge_raise_of_what_we_lowered(well(verbs=told(60, "on", MINERS[:1]), faults=moved)).broken


def test_a_raise_within_the_minimum_off_time_is_broken_also_when_it_was_told_off_again_meanwhile() -> None:
    verbs = told(30, "off", MINERS[:1]) + told(33, "on", MINERS[:1])
    assert "raised 3.00 s" in judge_minimum_off(well(verbs=verbs)).broken[0].what

    again = told(30, "off", MINERS[:1]) + told(35, "off", MINERS[:1]) + told(37, "on", MINERS[:1])
    assert not judge_minimum_off(well(verbs=again)).broken


def test_raises_faster_than_the_ramp_are_broken() -> None:
    verbs = told(30, "off") + told(60, "on", every_s=3.0)

    assert "kW told to rise" in judge_ramp(well(verbs=verbs)).broken[0].what


def test_a_jump_above_jump_up_is_broken() -> None:
    verbs = told(30, "off") + told(60, "on")
    trace = well(verbs=verbs)

    assert judge_ramp(trace).broken


def test_a_site_that_rises_faster_than_its_ramp_as_measured_is_broken_unless_somebody_else_did_it() -> None:
    jumps = drawn({(0, 60): FULL_W, (60, 120): FULL_W + 60_000})

    assert judge_ramp_at_the_plant(well()).count
    assert not judge_ramp_at_the_plant(well()).broken
    assert judge_ramp_at_the_plant(well(truths=jumps)).broken
    others = well(truths=jumps, faults=[fault("over limit", 60, 120)])
    assert not judge_ramp_at_the_plant(others).broken


def test_a_raise_while_both_meters_are_silent_is_broken_and_one_with_the_backup_is_not() -> None:
    verbs = told(30, "off", MINERS[:1]) + told(65, "on", MINERS[:1])
    main, backup = silent(58, 70), silent(58, 70)

    assert "7.2 s old" in judge_raise_knows_the_net(well(verbs=verbs, main=main, backup=backup)).broken[0].what
    assert not judge_raise_knows_the_net(well(verbs=verbs, main=main)).broken


def test_a_raise_towards_more_than_a_command_allows_is_broken() -> None:
    sent = [Sent(ns(50), "c1", "sha", "accepted", 30_000.0, 60_000_000_000)]
    acks = [record(50.1, "ack/dispatch", id="c1", st="accepted")]
    verbs = told(30, "off", MINERS[:1]) + told(60.2, "on", MINERS[:1])

    trace = well(verbs=verbs, sent=sent, records=acks)
    assert "towards 43.0 kW, 30.0 is the limit" in judge_raise_within_limit(trace).broken[0].what
    assert not judge_raise_within_limit(well(verbs=verbs)).broken


def test_a_raise_without_the_tanks_permits_or_before_their_time_is_broken() -> None:
    verbs = told(30, "off", MINERS[:1]) + told(60, "on", MINERS[:1])

    def at(*rounds: float) -> str:
        """Without flow from the first of these times to the second."""
        shown = [good_round(-50), dry_round(rounds[0]), good_round(rounds[1])]
        return "".join(one.what for one in judge_raise_needs_permits(well(verbs=verbs, rounds=shown)).broken)

    assert "without the tank's permits" in at(50, 70)
    assert "had held for their time" in at(50, 59)
    assert at(50, 56) == ""
    assert at(70, 80) == ""


def test_a_gpu_is_not_raised_without_the_tanks_permits_either() -> None:
    rounds = [good_round(-50), dry_round(50), good_round(70)]
    limits = [Limit(ns(51), 0, 200.0), Limit(ns(60), 0, 700.0)]

    assert "GPU 0" in judge_raise_needs_permits(well(rounds=rounds, limits=limits)).broken[0].what


def test_a_raise_while_the_tanks_plc_is_silent_is_broken() -> None:
    verbs = told(30, "off", MINERS[:1]) + told(60, "on", MINERS[:1])
    quiet = [fault("tank link", 50, 70, "silent")]

    assert "silent" in judge_raise_needs_permits(well(verbs=verbs, faults=quiet)).broken[0].what


def test_nothing_under_a_tag_is_raised() -> None:
    verbs = told(30, "off") + told(60, "on", every_s=6.0)
    up = [Limit(ns(51), 0, 200.0), Limit(ns(60), 0, 700.0)]
    closes = [Turn(ns(60), "k1", True)]

    def under(target: str, **changes: object) -> str:
        tags = [Fault(target, ns(50), ns(89))]
        return " ".join(one.what for one in judge_tags(well(tags=tags, **changes)).broken)

    assert under(f"a/{MINERS[2]}", verbs=verbs).count("was raised") == 1
    assert under("a/127.1.1.99", verbs=verbs) == ""
    assert under("tank-a", verbs=verbs).count("was raised") == 5  # the last is raised after the tag is gone
    assert "GPU 0" in under("r1", limits=up)
    assert "a-east was closed" in under("a-east", coils=closes)
