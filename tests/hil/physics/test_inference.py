"""Watts of a replica that serves: against what was measured, balances of joules and tokens, limits, seeds."""

import csv
import itertools
import math

import pytest

from hil.physics.inference import MEASURED, Replica, Request, load_conversation, load_served, taken

_H100 = load_served("llama-3.1-8b-h100")
_ONCE_S = 1e9  # requests do not come again
_CONVERSATION = load_conversation()


def _serving(batch: int, served: str = "llama-3.1-8b-h100") -> Replica:
    """A replica whose batch stays this: prompts of a token, answers that never end."""
    replica = Replica(load_served(served), [Request(0.0, 1, 10**9)] * batch, _ONCE_S)
    replica.advance(0.5)
    return replica


def test_without_requests_it_rests() -> None:
    assert Replica(_H100, ()).advance(10.0) == pytest.approx(90.0)


@pytest.mark.parametrize(
    ("served", "batch", "watts", "joules_per_token"),
    [
        ("llama-3.1-8b-h100", 8, 486.4, 0.4548),
        ("llama-3.1-8b-h100", 64, 610.3, 0.11858),
        ("llama-3.1-8b-h100", 512, 688.3, 0.07019),
        ("llama-3.1-8b-b200", 64, 616.5, 0.1103),
        ("llama-3.1-70b-4xh100", 128, 2183.8, 0.56337),
    ],
)
def test_a_steady_batch_draws_and_makes_what_was_measured(
    served: str, batch: int, watts: float, joules_per_token: float
) -> None:
    replica = _serving(batch, served)
    before_j, before = replica.decode_j, replica.generated_tokens

    seen_w = replica.advance(10.0)

    assert seen_w == pytest.approx(watts, rel=0.005)
    assert (replica.decode_j - before_j) / (replica.generated_tokens - before) == pytest.approx(
        joules_per_token, rel=0.01
    )


def test_between_two_measured_batches_it_is_between_them_and_a_single_request_is_the_dearest() -> None:
    seen = [_H100.decoding(batch) for batch in (1, 4, 8, 12, 16, 48, 300)]

    assert all(low[0] < high[0] and low[1] < high[1] for low, high in itertools.pairwise(seen))
    assert seen[0][0] / seen[0][1] > 2.5  # J a token; 0.45 with a batch of 8
    assert seen[0][1] == pytest.approx(1069.6 / 7.98, rel=0.001)
    assert _H100.decoding(2000) == _H100.decoding(691)


def test_a_long_prompt_takes_the_peak_at_once_for_as_long_as_its_tokens_last() -> None:
    replica = Replica(_H100, [Request(1.0, 24_600, 1)], _ONCE_S)

    before_w = replica.advance(1.0)
    peak_w = replica.advance(0.9)
    replica.advance(0.2)

    assert before_w == pytest.approx(90.0)
    assert peak_w == pytest.approx(690.5)
    assert replica.prefill_j == pytest.approx(690.5, rel=0.001)  # one second of it
    assert replica.prompt_tokens == pytest.approx(24_600)


def test_all_joules_are_of_a_phase_and_all_tokens_of_a_request() -> None:
    requests = [Request(number * 0.7, 300 + 97 * number, 20 + 11 * number) for number in range(30)]
    replica = Replica(_H100, requests, _ONCE_S)

    drawn_j = sum(replica.advance(0.05) * 0.05 for _ in range(1200))

    assert drawn_j == pytest.approx(replica.prefill_j + replica.decode_j + replica.idle_j)
    assert replica.prompt_tokens == pytest.approx(sum(one.prompt_tokens for one in requests))
    assert replica.generated_tokens == pytest.approx(sum(one.generated_tokens for one in requests))
    assert (replica.waiting, replica.running) == (0, 0)


def test_a_full_batch_makes_others_wait() -> None:
    replica = Replica(_H100, [Request(0.0, 1, 10**9)] * 1000, _ONCE_S)

    replica.advance(2.0)

    assert replica.running == 691
    assert replica.waiting == 309


def test_a_limit_is_kept_and_costs_speed_by_its_square_root() -> None:
    free, limited = _serving(64), _serving(64)
    limited.limit_w = 350.0
    made = [(replica, replica.generated_tokens) for replica in (free, limited)]

    watts = [replica.advance(10.0) for replica in (free, limited)]
    speeds = [replica.generated_tokens - before for replica, before in made]

    assert watts[1] == pytest.approx(350.0)
    assert speeds[1] / speeds[0] == pytest.approx(math.sqrt((350 - 90) / (610.3 - 90)), rel=0.002)


def test_a_lower_clock_draws_less_and_serves_less() -> None:
    replica = _serving(64)
    replica.clock_pu = 0.9

    assert replica.advance(10.0) == pytest.approx(90 + (610.3 - 90) * 0.81, rel=0.002)


def test_a_fifth_less_power_costs_about_a_tenth_of_the_speed_as_published() -> None:
    replica = _serving(512)
    before = replica.generated_tokens
    replica.limit_w = 0.78 * 688.3

    replica.advance(10.0)

    assert 1 - (replica.generated_tokens - before) / 98_000 == pytest.approx(0.13, abs=0.03)  # POLCA: 22 % for 10 %


def test_the_recording_is_what_was_published() -> None:
    assert len(_CONVERSATION) == 4431
    assert _CONVERSATION[0].at_s == pytest.approx(0.125)
    assert max(one.at_s for one in _CONVERSATION) < 600.0


def test_in_a_share_of_it_power_goes_from_nearly_nothing_to_near_the_peak_within_a_second() -> None:
    replica = Replica(_H100, taken(_CONVERSATION, 0.1, "gpu:1"))
    seen = [replica.advance(0.1) for _ in range(3000)]

    jumps = [max(seen[at : at + 10]) - seen[at] for at in range(len(seen) - 10)]

    assert min(seen) == pytest.approx(90.0)
    assert max(jumps) > 550.0


def test_the_whole_of_it_keeps_one_gpu_busy_and_does_not_drown_it() -> None:
    replica = Replica(_H100, taken(_CONVERSATION, 1.0, "gpu:1"))

    mean_w = replica.advance(600.0)

    assert 500.0 < mean_w < 690.0
    assert replica.waiting < 50
    assert replica.prompt_tokens == pytest.approx(sum(one.prompt_tokens for one in _CONVERSATION), rel=0.01)


def test_a_share_goes_round_and_is_by_its_seed() -> None:
    def course(seed: str) -> list[float]:
        replica = Replica(_H100, taken(_CONVERSATION, 0.3, seed))
        return [replica.advance(1.0) for _ in range(100)]

    assert course("gpu:1") == course("gpu:1")
    assert course("gpu:1") != course("gpu:2")
    round_again = Replica(_H100, taken(_CONVERSATION, 0.05, "gpu:1"))
    round_again.advance(600.0)
    first = round_again.prompt_tokens
    round_again.advance(600.0)
    assert round_again.prompt_tokens == pytest.approx(2 * first, rel=0.02)


def test_every_model_was_measured_with_more_than_a_few_batches() -> None:
    for name in ("llama-3.1-8b-h100", "llama-3.1-8b-b200", "llama-3.1-70b-4xh100"):
        served = load_served(name)
        assert len(served.measured) >= 9
        assert served.prefill_w > served.resting_w


def test_the_table_says_of_itself_that_watts_are_joules_times_tokens() -> None:
    with MEASURED.open(encoding="ascii", newline="") as file:
        rows = list(csv.DictReader(file))

    assert len(rows) == 32
    for row in rows:
        watts = float(row["j_per_output_token"]) * float(row["out_tok_s"])
        assert watts == pytest.approx(float(row["avg_power_w"]), rel=0.005)
