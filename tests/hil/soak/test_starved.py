"""Times in which nobody ran, told from mischief and from an agent that is not there."""

from hil.soak.starved import NAME, starved
from hil.soak.trace import Life
from tests.hil.soak.traces import fault, ns, silent, well


def test_a_machine_on_which_everybody_runs_starves_nobody() -> None:
    assert starved(well()) == []


def test_refreshes_or_inputs_that_nobody_read_are_told_as_one_time() -> None:
    looks = [at_ns for at_ns in well().looks if not ns(40.5) <= at_ns < ns(43)]
    trace = well(main=silent(40, 41), looks=looks)

    ((found),) = starved(trace)

    assert found.name == NAME
    assert (found.from_ns, found.to_ns) == (ns(39.81), ns(43))


def test_what_mischief_or_an_absence_kept_from_being_read_starved_nobody() -> None:
    unread = {"main": silent(40, 45)}

    assert starved(well(**unread, faults=[fault("meter link", 40, 45, "silent")])) == []
    assert starved(well(**unread, lives=[Life(ns(-60), ns(41)), Life(ns(44))])) == []
