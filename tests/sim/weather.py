"""How good the network is today, and the one source of chance: a world's seed."""

from random import Random

from msgspec import Struct


class Weather(Struct):
    """Chances and times of one network; may be changed while it runs."""

    latency_s_min: float = 0.000_2
    latency_s_max: float = 0.002
    loss: float = 0.0  # of a SYN (again after 1.03 s) and of a segment (again after 0.2 s, doubling), each way
    split: float = 0.0  # of a reply arriving in pieces
    reset: float = 0.0  # of a connection being reset where the reply was due


SYN_AGAIN_S = 1.03  # Linux's first SYN retransmission; measured, design.md section 5
SEGMENT_AGAIN_S = 0.2  # TCP's least retransmission time-out on Linux


def connect_delay_s(weather: Weather, random: Random) -> float:
    """From connect() to the SYN's arrival, its retransmissions included."""
    delay_s, again_s = one_way_s(weather, random), SYN_AGAIN_S
    while random.random() < weather.loss:
        delay_s, again_s = delay_s + again_s, again_s * 2
    return delay_s


def segment_delay_s(weather: Weather, random: Random) -> float:
    """From send() to arrival, retransmissions included."""
    delay_s, again_s = one_way_s(weather, random), SEGMENT_AGAIN_S
    while random.random() < weather.loss:
        delay_s, again_s = delay_s + again_s, again_s * 2
    return delay_s


def one_way_s(weather: Weather, random: Random) -> float:
    return random.uniform(weather.latency_s_min, weather.latency_s_max)
