"""The Toledo recording as it is played."""

import hashlib
import math

import pytest

from hil.recording import TOLEDO, at, load_toledo


def test_the_recording_is_the_published_one_byte_for_byte() -> None:
    digest = hashlib.sha256(TOLEDO.read_bytes()).hexdigest()

    assert digest == "f073cc8acd8d3ce08eae065b8e22c284573de7c1f72ce87f0672e60e02490a68"


def test_the_collapse_has_its_published_samples() -> None:
    samples = load_toledo("12:32:50", "12:33:22")

    assert len(samples) == 17
    assert [sample.hertz for sample in samples[-4:]] == [49.942, 49.902, 48.556, 47.476]
    assert samples[-1].at_s == 32.0
    assert samples[-1].volts == (25872.705, 25624.5, 25750.898)


def test_between_two_samples_lies_a_straight_line_and_at_them_their_own_values() -> None:
    samples = load_toledo("12:33:18", "12:33:20")

    assert at(samples, 0.0).hertz == 49.902
    assert at(samples, 1.0).hertz == pytest.approx((49.902 + 48.556) / 2)
    assert at(samples, 2.0).hertz == 48.556
    assert at(samples, 99.0).hertz == 48.556


def test_a_lost_poll_is_no_number_until_the_next_sample() -> None:
    samples = load_toledo("12:30:58", "12:31:02")

    assert math.isnan(at(samples, 2.0).hertz)
    assert math.isnan(at(samples, 3.9).hertz)
    assert not math.isnan(at(samples, 1.0).hertz)
    assert not math.isnan(at(samples, 4.0).hertz)


def test_times_outside_of_the_recording_are_refused_with_its_span() -> None:
    with pytest.raises(ValueError, match="it spans 11:00:00 to 12:59:58"):
        load_toledo("15:00:00", "15:01:00")
