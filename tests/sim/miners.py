"""Virtual miners of the Avalon dialect, written from reference captures and not from the driver: bytes in, bytes and
watts out.

One thread serves one connection at a time, as cgminer's API does: a client that connects and says nothing blocks the
next one. The reply is JSON or text as the request was. `ascset|0,softoff,1:T` and `softon` take effect when the
miner's own clock reaches T. Watts follow the orders along straight ramps; every change is kept, so that the true
watts of any past instant can be asked (the meter and the judges do).

Ailments (`ails`), one at a time, each named as a technician would:
    ""        well
    "void"    no power or no cable: SYNs meet nothing        "refuse"  the API is not up (restart)
    "deaf"    the kernel accepts, the program never reads    "mute"    reads and obeys, never answers
    "stuck"   reads, neither obeys nor answers               "drip"    obeys, answers a byte a second
    "lie"     acknowledges and does not obey; read-back tells the truth
    "deceive" acknowledges and does not obey; read-back claims that it did
    "curt"    closes without an answer after obeying         "junk"    answers bytes that are no reply
"""

import json
from collections import deque
from random import Random

from tests.sim.course import Course
from tests.sim.loop import NS_PER_S
from tests.sim.wire import Network, Peer

AILMENTS = ("void", "refuse", "deaf", "mute", "stuck", "drip", "lie", "deceive", "curt", "junk")
REBOOT_S = 6.5  # the API vanishes for 6-7 s on a restart (miners.md 1.1, measured)


class Order:
    """One verb as the miner understood it."""

    def __init__(self, at_ns: int, on: bool, obeyed: bool) -> None:
        self.at_ns, self.on, self.obeyed = at_ns, on, obeyed


class VirtualMiner(Course):
    """One miner at one address."""

    def __init__(self, network: Network, host: str, random: Random, *, rated_w: float, sleep_w: float = 25.0) -> None:
        self.host = host
        self.rated_w = rated_w * random.uniform(0.97, 1.03)
        self.sleep_w = sleep_w
        self.ails = ""
        self.on = True  # what it is set to
        self.dark: set[str] = set()  # why it has no power
        self.down_s = random.uniform(
            0.5, 2.5
        )  # Avalon's soft-off time is unpublished; BFGMiner's was 1-5 s (miners.md 1.7)
        self.up_s = random.uniform(5.0, 20.0)
        self.service_s = random.uniform(
            0.002, 0.05
        )  # real control boards: a few ms to a few hundred ms (miners.md 1.1)
        self.orders: list[Order] = []
        self.requests: list[tuple[int, bytes]] = []
        self._network = network
        self._random = random
        self._clock_s = random.choice([1_799_001_000, 20_159])  # its own clock: right, or counting from its start
        self._ends_with_nul = random.random() < 0.8
        super().__init__(self.rated_w)
        self._queue: deque[Peer] = deque()
        self._said: dict[Peer, bytes] = {}
        self._claims_on = True  # what a deceiver's read-back says
        self._unreachable_until_ns = 0
        network.hosts[host, 4028] = self

    # what it draws

    @property
    def powered(self) -> bool:
        return not self.dark

    def turn(self, on: bool) -> None:
        """It goes on or off, by an order or by itself."""
        self.on = self._claims_on = on
        if self.powered:
            self._ramp(self.rated_w if on else self.sleep_w, self.up_s if on else self.down_s)

    def lose_power(self, why: str = "feeder") -> None:
        self.dark.add(why)
        self._ramp(0.0, 0.0)

    def get_power(self, why: str = "feeder") -> None:
        """What took its power gives it back; with the last of them it starts."""
        if why in self.dark:
            self.dark.remove(why)
            if self.powered:
                self._unreachable_until_ns = self._network.loop.now_ns + round(REBOOT_S * NS_PER_S)
                self.started()

    def started(self) -> None:
        """It mines, whatever it was told before."""
        self.turn(True)

    def reboot(self) -> None:
        self.lose_power("reboot")
        self.get_power("reboot")

    def _ramp(self, to_w: float, for_s: float) -> None:
        self.go(self._network.loop.now_ns, to_w, for_s)

    # what stands behind its address (wire.Host)

    def knocked(self) -> str:
        if not self.powered or self.ails == "void":
            return "void"
        booting = self._network.loop.now_ns < self._unreachable_until_ns
        return "refuse" if booting or self.ails == "refuse" else "accept"

    def accepted(self, peer: Peer) -> None:
        self._queue.append(peer)
        self._said[peer] = b""

    def received(self, peer: Peer, data: bytes) -> None:
        if peer in self._said:
            self._said[peer] += data
            self._serve()

    def left(self, peer: Peer) -> None:
        if peer in self._queue and peer is not self._queue[0]:
            return  # the single thread finds out when its turn comes
        self._done(peer)

    def _serve(self) -> None:
        """The single thread: the head of the queue once it has said something."""
        if not self._queue or self.ails in ("deaf", "void") or not self.powered:
            return
        head = self._queue[0]
        if self._said[head]:
            request, self._said[head] = self._said[head], b""
            self._network.after(self.service_s, lambda: self._handle(head, request))
        elif head.closed:
            self._done(head)

    def _done(self, peer: Peer) -> None:
        if peer in self._queue:
            self._queue.remove(peer)
        self._said.pop(peer, None)
        self._serve()

    def _handle(self, peer: Peer, request: bytes) -> None:
        if not self.powered or self.ails == "deaf":
            return
        self.requests.append((self._network.loop.now_ns, request))
        reply = self.answer(request)
        if self.ails in ("mute", "stuck"):
            return
        if self.ails == "drip":
            self._drip(peer, reply)
            return
        if self.ails == "junk":
            reply = b"\xff\xfeSocket connect failed: Connection refused\n"
        reset = self._random.random() < self._network.weather.reset
        if self.ails != "curt" and not reset:
            peer.send(reply)
        peer.close(reset=reset)
        self._done(peer)

    def _drip(self, peer: Peer, rest: bytes) -> None:
        if not rest or peer.closed or not self.powered:
            peer.close()
            self._done(peer)
            return
        peer.send(rest[:1])
        self._network.after(1.0, lambda: self._drip(peer, rest[1:]))

    # what it understands and says

    def clock_s(self) -> int:
        return self._clock_s + self._network.loop.now_ns // NS_PER_S

    def answer(self, request: bytes) -> bytes:
        """One request to one reply, as cgminer 4.11.1's API words it (miners.md 1.2-1.4, 7)."""
        text = request.rstrip(b"\0\n\r ").decode("latin-1")
        in_json = text.startswith("{")
        if in_json:
            try:
                asked = json.loads(text)
            except ValueError:
                return self._worded([self._status("E", 23, "Invalid JSON")], {}, True)
            command, parameter = str(asked.get("command", "")), str(asked.get("parameter", ""))
        else:
            command, _, parameter = text.partition("|")
        if "+" in command and in_json:
            whole = {name: [self._body(name, "")] for name in dict.fromkeys(command.split("+")) if name}
            return self._ended(json.dumps({**whole, "id": 1}).encode())
        body = self._body(command, parameter)
        return self._worded(body.pop("STATUS"), body, in_json)

    def _body(self, command: str, parameter: str) -> dict[str, list[dict[str, object]]]:
        mhs = self._hash_ths() * 1e6
        if command == "version":
            product: dict[str, object] = {
                "CGMiner": "4.11.1",
                "API": "3.7",
                "PROD": "Avalon Q",
                "MODEL": "Q",
                "LVERSION": "25052801_14a19a2",
            }
            return {"STATUS": [self._status("S", 22, "CGMiner versions")], "VERSION": [product]}
        if command == "summary":
            return {
                "STATUS": [self._status("S", 11, "Summary")],
                "SUMMARY": [{"Elapsed": 37_714, "MHS av": 4.4e7, "MHS 5s": mhs}],
            }
        if command == "devs":
            device = {"ASC": 0, "Name": "AVALON", "ID": 0, "Enabled": "Y", "Status": "Alive", "MHS 5s": mhs}
            return {"STATUS": [self._status("S", 9, "1 ASC(s)")], "DEVS": [device]}
        if command in ("stats", "estats", "litestats"):
            name = "MM ID0:Summary" if command == "litestats" else "MM ID0"
            stats = {"STATS": 0, "ID": "AVA100", "Elapsed": 37_977, name: self._packed()}
            return {"STATUS": [self._status("S", 70, "CGMiner stats")], "STATS": [stats]}
        if command == "ascset":
            return {"STATUS": [self._ascset(parameter)]}
        return {"STATUS": [self._status("E", 14, "Invalid command")]}

    def _ascset(self, parameter: str) -> dict[str, object]:
        _unit, option, value = [*parameter.split(",", 2), "", ""][:3]
        if option not in ("softoff", "softon"):
            return self._status("I", 118, "ASC 0 set info: help|workmode|worklevel|reboot|softon|softoff|time|")
        at_s = int(value.partition(":")[2] or 0)
        wait_s = max(0, at_s - self.clock_s())
        self._network.after(float(wait_s), lambda: self._ordered(option == "softon"))
        return self._status("I", 118, f"ASC 0 set info: success {option}:{at_s}")

    def _ordered(self, on: bool) -> None:
        obeys = self.powered and self.ails not in ("stuck", "lie", "deceive", "void", "deaf")
        self.orders.append(Order(self._network.loop.now_ns, on, obeys))
        self._claims_on = on
        if obeys and on != self.on:
            self.turn(on)

    def _seems_on(self) -> bool:
        return self._claims_on if self.ails == "deceive" else self.on

    def _hash_ths(self) -> float:
        return 160.0 if self._seems_on() else 0.0

    def _packed(self) -> str:
        """The string that everything of interest hides in; values as captured from an Avalon Q, firmware 25052801."""
        now_ns = self._network.loop.now_ns
        on = self._seems_on()
        wall_w = round(self.watts(now_ns) if self.ails != "deceive" else (self.rated_w if on else self.sleep_w))
        work = "In Work" if on else "In Idle"
        return (
            f"Ver[Q-25052801_14a19a2] STATE[{1 if on else 2}] NETFAIL[0 0] SYSTEMSTATU[Work: {work}, Hash Board: 1] "
            f"Elapsed[37977] ITemp[26] HBITemp[27] TMax[{77 if on else 0}] TAvg[{65 if on else 0}] Fan1[0] FanR[0%] "
            f"PS[0 1221 {1316 if on else 4} {242 if on else 0} {round(wall_w * 0.9) if on else 0} 2245 {wall_w}] "
            f"GHSspd[{self._hash_ths() * 1000:.2f}] GHSmm[55032.79] GHSavg[44350.83] SoftOFF[{0 if on else 4}] "
            f"ECHU[0] ECMM[0] CRC[0] WORKMODE[0] WORKLEVEL[0] MPO[{round(self.rated_w)}]"
        )

    def _status(self, letter: str, code: int, message: str) -> dict[str, object]:
        return {"STATUS": letter, "When": self.clock_s(), "Code": code, "Msg": message, "Description": "cgminer 4.11.1"}

    def _worded(
        self, status: list[dict[str, object]], body: dict[str, list[dict[str, object]]], in_json: bool
    ) -> bytes:
        if in_json:
            return self._ended(json.dumps({"STATUS": status, **body, "id": 1}).encode())
        said = ",".join(f"{key}={value}" for key, value in status[0].items())
        for name, sections in body.items():
            for section in sections:
                words = [f"{key}={value}" for key, value in section.items()]
                said += "|" + ",".join(words if name in section else [name, *words])
        return self._ended((said + "|").encode("latin-1"))

    def _ended(self, reply: bytes) -> bytes:
        return reply + b"\0" if self._ends_with_nul else reply
