"""The broker and the ears of these tests: hil's, on the topics' usual root."""

from hil.ears import Ears as AnyEars
from hil.mosquitto import Mosquitto as Broker
from hil.waiting import WITHIN_S, eventually

__all__ = ["ROOT", "WITHIN_S", "Broker", "Ears", "eventually"]

ROOT = "ballast"


class Ears(AnyEars):
    """Everything that one agent publishes, judged as it comes."""

    def __init__(self, port: int, key: bytes, site: str, agent: str) -> None:
        super().__init__(port, key, site, agent, ROOT)
