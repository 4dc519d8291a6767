"""Judges of lowering: each is silent over a trace in which all is well, and fires over a doctored one."""

from msgspec import structs

from hil.soak.judges.sheds import (
    judge_all_came_back,
    judge_blind_goes_to_fallback,
    judge_crossing_sheds,
    judge_limits_are_kept,
    judge_nothing_sheds_without_cause,
    judge_silence_sheds_nothing,
    judge_silent_tank_sheds,
    judge_tank_sheds,
)
from hil.soak.trace import Refresh, Sent, Turn
from tests.hil.soak.traces import (
    MINERS,
    drawn,
    dry_round,
    fault,
    good_round,
    ns,
    record,
    shown,
    silent,
    told,
    well,
)

DIP = shown({(30, 40): 59.2})


def test_a_crossing_that_is_answered_in_time_is_judged_well_and_timed() -> None:
    judged = judge_crossing_sheds(well(main=DIP, verbs=told(30.05, "off", MINERS[:5])))

    assert (judged.count, judged.broken) == (1, ())
    assert [round(ms) for _, ms in judged.times_ms] == [40]


def test_a_crossing_that_nobody_answers_is_broken() -> None:
    judged = judge_crossing_sheds(well(main=DIP, verbs=told(30.05, "off", MINERS[:4])))

    assert "12 kW told" in judged.broken[0].what


def test_a_crossing_answered_too_late_is_broken() -> None:
    assert judge_crossing_sheds(well(main=DIP, verbs=told(31.2, "off"))).broken


def test_a_crossing_is_not_judged_while_the_agent_has_just_started_or_the_meter_is_ill() -> None:
    assert judge_crossing_sheds(well(main=DIP, faults=[fault("meter link", 29, 31)])).count == 0
    young = well(main=DIP)
    young.lives = [type(young.lives[0])(ns(25))]
    assert judge_crossing_sheds(young).count == 0


def test_a_register_stuck_low_from_the_start_is_no_crossing() -> None:
    assert judge_crossing_sheds(well(main=shown({(0, 120): 59.0}))).count == 0


def test_a_shed_with_a_cause_is_well_and_one_without_is_broken() -> None:
    verbs = told(30.05, "off", MINERS[:5])

    with_cause = judge_nothing_sheds_without_cause(well(main=DIP, verbs=verbs))
    assert (with_cause.count, with_cause.broken) == (5, ())
    assert len(judge_nothing_sheds_without_cause(well(verbs=verbs)).broken) == 5


def test_a_shed_during_a_command_that_binds_has_a_cause_and_a_slack_command_gives_none() -> None:
    def sent(watts: float) -> list[Sent]:
        return [Sent(ns(29), "c1", "sha", "accepted", watts, 10_000_000_000)]

    verbs = told(30.0, "off", MINERS[:5])
    assert not judge_nothing_sheds_without_cause(well(verbs=verbs, sent=sent(20_000.0))).broken
    assert judge_nothing_sheds_without_cause(well(verbs=verbs, sent=sent(55_000.0))).broken


def test_asking_again_what_is_down_needs_no_cause() -> None:
    verbs = told(30.05, "off", MINERS[:5]) + told(70.0, "off", MINERS[:5])

    assert not judge_nothing_sheds_without_cause(well(main=DIP, verbs=verbs)).broken


def test_a_shed_while_a_meter_is_stuck_is_broken() -> None:
    stuck = [fault("meter link", 29, 35, "freeze")]

    assert not judge_silence_sheds_nothing(well(faults=stuck)).broken
    assert judge_silence_sheds_nothing(well(faults=stuck, verbs=told(31.0, "off", MINERS[:1]))).broken


def test_silence_of_both_meters_is_a_cause_after_its_time_alone() -> None:
    away = [fault("meters away", 30, 40, "silent")]
    main, backup = silent(30, 40), silent(30, 40)

    late = well(faults=away, main=main, backup=backup, verbs=told(33.0, "off", MINERS[:1]))
    assert not judge_nothing_sheds_without_cause(late).broken
    before = well(faults=[], main=main, backup=backup, verbs=told(30.5, "off", MINERS[:1]))
    assert judge_nothing_sheds_without_cause(before).broken


def test_a_tank_without_flow_whose_loads_are_told_is_well_and_one_load_forgotten_is_broken() -> None:
    rounds = [good_round(-50), dry_round(30), good_round(50)]
    truths = [structs.replace(truth, gpu_limits_w=(200.0, 200.0)) for truth in drawn()]

    all_told = judge_tank_sheds(well(rounds=rounds, verbs=told(30.3, "off"), truths=truths))
    assert (all_told.count, all_told.broken) == (1, ())
    forgotten = judge_tank_sheds(well(rounds=rounds, verbs=told(30.3, "off", MINERS[1:]), truths=truths))
    assert "1 of 10 loads" in forgotten.broken[0].what
    hot = judge_tank_sheds(well(rounds=rounds, verbs=told(30.3, "off")))
    assert "2 GPUs of the tank still have 700 W" in hot.broken[0].what


def test_what_a_contactor_cuts_counts_as_told() -> None:
    rounds = [good_round(-50), dry_round(30), good_round(50)]
    truths = [structs.replace(truth, gpu_limits_w=(200.0, 200.0)) for truth in drawn()]
    opened = [Turn(ns(30.4), "a-east", False)]

    judged = judge_tank_sheds(well(rounds=rounds, verbs=told(30.3, "off", MINERS[3:]), truths=truths, poles=opened))

    assert (judged.count, judged.broken) == (1, ())


def test_a_flow_that_is_away_for_less_than_its_time_is_not_judged() -> None:
    assert judge_tank_sheds(well(rounds=[good_round(-50), dry_round(30), good_round(30.1)])).count == 0


def test_a_silent_tank_whose_loads_stay_on_is_broken() -> None:
    faults = [fault("tank link", 30, 40, "silent")]

    assert not judge_silent_tank_sheds(well(faults=faults, verbs=told(32.5, "off"))).broken
    assert "10 loads" in judge_silent_tank_sheds(well(faults=faults)).broken[0].what


def test_what_stays_over_the_limit_untold_is_broken() -> None:
    over = [_raised(one, 70_000.0) if ns(30) <= one.changed_ns < ns(60) else one for one in shown()]

    truths = drawn({(30, 60): 70_000.0})
    told_all = well(main=over, backup=[], truths=truths, verbs=told(30.1, "off"))
    assert (judge_limits_are_kept(told_all).count, judge_limits_are_kept(told_all).broken) == (1, ())
    assert "10 loads were not told" in judge_limits_are_kept(well(main=over, backup=[], truths=truths)).broken[0].what


def test_a_command_that_is_not_obeyed_is_broken() -> None:
    sent = [Sent(ns(30), "c1", "sha", "accepted", 20_000.0, 40_000_000_000)]

    assert judge_limits_are_kept(well(sent=sent)).broken
    assert not judge_limits_are_kept(well(sent=sent, verbs=told(30.3, "off"))).broken


def test_a_blind_site_that_stays_up_or_does_not_say_so_is_broken() -> None:
    away = [fault("meters away", 30, 50, "silent")]
    main, backup = silent(30, 50), silent(30, 50)
    says = [record(33, "ctl", circuits=[{"id": "poi", "mode": "BLIND"}])]

    down = well(faults=away, main=main, backup=backup, records=says, truths=drawn({(34, 60): 19_000.0}))
    assert (judge_blind_goes_to_fallback(down).count, judge_blind_goes_to_fallback(down).broken) == (1, ())
    up = judge_blind_goes_to_fallback(well(faults=away, main=main, backup=backup))
    assert "not told to be BLIND" in up.broken[0].what
    assert "still 40 kW; fallback 20" in up.broken[1].what


def test_a_load_that_we_lowered_and_that_never_returns_is_broken() -> None:
    verbs = told(30, "off", MINERS[:1])
    turns = well().turns

    assert not judge_all_came_back(well(verbs=verbs)).broken
    stays = well(verbs=verbs, turns=[*turns, Turn(ns(31), MINERS[0], False)])
    assert MINERS[0] in judge_all_came_back(stays).broken[0].what


def _raised(one: Refresh, watts: float) -> Refresh:
    return Refresh(one.changed_ns, one.served_ns, watts, one.hertz, one.volts)
