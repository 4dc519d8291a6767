"""Virtual LuxOS miners: reads are plain, `curtail` needs a session (the vendor's pages on sessions, curtail and power;
what drivers/miners/LUXOS_QUIRKS.md lists). Written apart from the driver and from hil.

One session a miner: it lapses a minute after its last use, and while it is open a logon is refused with 402. Sleep
outlasts a loss of power. `taken` is somebody else's session.
"""

import json
from random import Random

from tests.sim.loop import NS_PER_S
from tests.sim.miners import VirtualMiner
from tests.sim.wire import Network

SESSION_NS = 60 * NS_PER_S
ACTIONS = {"sleep": False, "wakeup": True}
BOARDS = 3


class VirtualLuxos(VirtualMiner):
    """One of them."""

    def __init__(self, network: Network, host: str, random: Random, *, rated_w: float, sleep_w: float = 25.0) -> None:
        super().__init__(network, host, random, rated_w=rated_w, sleep_w=sleep_w)
        self.up_s = random.uniform(10.0, 60.0)  # a wakeup ramps as after a reboot
        self._session = ""
        self._lapses_ns = 0

    def take(self) -> None:
        """Somebody else opens a session."""
        self._open("fleettool")

    def started(self) -> None:
        self.turn(self.on)

    def answer(self, request: bytes) -> bytes:
        try:
            asked = json.loads(request.rstrip(b"\0\n\r "))
        except ValueError:
            asked = {}
        letter, code, said, section = self._do(str(asked.get("command", "")), str(asked.get("parameter", "")))
        status = {
            "STATUS": letter,
            "When": self.clock_s(),
            "Code": code,
            "Msg": said,
            "Description": "LUXminer 2025.4.8",
        }
        return self._ended(json.dumps({"STATUS": [status], **section, "id": 1}, indent=1).encode())

    def _do(self, command: str, parameter: str) -> tuple[str, int, str, dict[str, object]]:
        now_ns = self._network.loop.now_ns
        active = bool(self._session) and now_ns < self._lapses_ns
        if command == "logon":
            if active:
                return "E", 402, "Another session is active", {}
            self._open("".join(self._random.choice("abcdefghijkLMNOP0123456789") for _ in range(8)))
            return "S", 316, "Session created", {"SESSION": [{"SessionID": self._session}]}
        if command in ("logoff", "curtail"):
            name, _, action = parameter.partition(",")
            if not active or name != self._session:
                return "E", 401, "Invalid session", {}
            self._lapses_ns = now_ns + SESSION_NS
            if command == "logoff":
                self._session = ""
                return "S", 317, "Session terminated", {}
            if action not in ACTIONS:
                return "E", 433, f"Invalid curtail action '{action}'", {}
            self._ordered(ACTIONS[action])
            return "S", 335, "Curtailment command sent", {"CURTAIL": [{"Action": action}]}
        return self._report(command)

    def _open(self, name: str) -> None:
        self._session, self._lapses_ns = name, self._network.loop.now_ns + SESSION_NS

    def _report(self, command: str) -> tuple[str, int, str, dict[str, object]]:
        on, mhs = self._seems_on(), self._hash_ths() * 1e6
        if command == "version":
            return (
                "S",
                22,
                "LUXminer versions",
                {"VERSION": [{"API": "3.7", "LUXminer": "2025.4.8", "Type": "S19k Pro"}]},
            )
        if command == "config":
            row = {"ASC Count": BOARDS, "CurtailMode": "None" if on else "Sleep", "SystemStatus": "Normal"}
            return "S", 33, "LUXminer config", {"CONFIG": [row]}
        if command == "power":
            watts = (self.rated_w if on else self.sleep_w) if self.ails == "deceive" else self._draws_w()
            return "S", 311, "Power usage", {"POWER": [{"PSU": True, "Watts": round(watts)}]}
        if command == "devs":
            board = {"Enabled": "Y", "Status": "Alive", "MHS 5s": mhs / BOARDS, "Temperature": 47.0 if on else 28.0}
            return "S", 9, f"{BOARDS} ASC(s)", {"DEVS": [{"ASC": number, **board} for number in range(BOARDS)]}
        return "E", 14, "Invalid command", {}

    def _draws_w(self) -> float:
        return self.watts(self._network.loop.now_ns)
