"""The supervisor: knows the newest of every GPU, has one NVML worker asked, sees to the leases. It never makes a driver
call itself, so it always answers.

One task owns the worker and goes round:

    no worker      start one, have it enumerate; when that fails, again after the cause's delays (RETRY_S)
    sets first     those that wait, in their order; each GPU is read again before its SetDone
    lapses         GPUs whose lease lapsed and whose limit is above fallback_w: lowered, checked by the next look
    a look         at every GPU, every LOOK_S; a Set that arrives goes between two of them

    a call that takes longer than ORDER_S    that GPU is hung: the worker is killed and started again, the GPU is left
                                             out for HUNG_S (twice as the last of these from then on), the others go on
    a GPU lost or gone                       that GPU alone; a fresh worker enumerates again every AGAIN_S
    the driver reloading, not loaded, gone   the worker is ended and started again; all GPUs say so meanwhile

A corpse in state D is left behind; with CORPSES_MAX of them no further worker is started for AGAIN_S. What is known of
locked clocks is what was set here since the driver was loaded: it can't be read.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import NoReturn

from msgspec import Struct
from msgspec.structs import replace

from drivers.gpu.known import AT_ONCE, KnownGpu
from drivers.gpu.leases import Leases, lapse_to_w
from drivers.gpu.messages import (
    FREE,
    SET_S_MAX,
    Clocks,
    GpuReading,
    Health,
    Lease,
    Listed,
    Readings,
    Refusal,
    Set,
    SetDone,
)
from drivers.gpu.orders import Applied, Apply, Enumerate, Enumerated, Look, Looked, XidSeen
from drivers.gpu.process import Worker, WorkerLost, WorkerProcess, corpses

log = logging.getLogger("gpud")

LOOK_S = 0.5
ORDER_S = 1.0
ENUMERATE_S = 20.0  # without persistence mode the driver wakes the boards one by one, some seconds each
HUNG_S = (5.0, 60.0)
AGAIN_S = 60.0
CORPSES_MAX = 2
RETRY_S: dict[str, tuple[float, ...]] = {
    "no_library": (60.0,),
    "no_driver": (10.0,),
    "reloading": (1.0, 10.0),
    "hung": (1.0, 5.0, 60.0),
    "crashed": (0.2, 1.0, 5.0, 10.0),
    "trouble": (1.0, 10.0),
}
SETS_MAX = 256  # waiting at once: what comes then is told that it was not tried
_NS_PER_S = 1_000_000_000


class _Waiting(Struct, eq=False):
    """One Set that waits or is being done."""

    asked: Set
    done: Callable[[SetDone], None]
    until: asyncio.TimerHandle | None = None
    tried: bool = False
    answered: bool = False


class Supervisor:
    """All GPUs of this machine. Make it and run() it inside the loop."""

    def __init__(
        self,
        clock_ns: Callable[[], int],
        leases: Leases,
        *,
        ceiling_w: float | None,
        on_leases: Callable[[dict[str, float]], None],
        start: Callable[[], Worker] = WorkerProcess,
    ) -> None:
        self._start = start
        self._clock_ns = clock_ns
        self._leases = leases
        self._ceiling_w = ceiling_w
        self._on_leases = on_leases
        self._gpus: dict[str, KnownGpu] = {}
        self._worker: Worker | None = None
        self._health: Health = "starting"
        self._detail = ""
        self._failures = 0
        self._xid_number = 0
        self._sets: deque[_Waiting] = deque()
        self._sooner = asyncio.Event()
        self._enumerate_ns: int | None = None  # when to look anew for what is lost

    # --- asked by clients: answered at once -------------------------------------------------------------------------

    def listed(self, number: int) -> Listed:
        """Every GPU seen since the start."""
        return Listed(number, self._health, self._detail, tuple(gpu.info for gpu in self._gpus.values()))

    def readings(self, number: int) -> Readings:
        """What is known of each now."""
        now_ns = self._clock_ns()
        gpus = (
            gpu.shown(self._health, self._detail, self._leases.left_ns(uuid, now_ns), now_ns)
            for uuid, gpu in self._gpus.items()
        )
        return Readings(number, self._health, self._detail, tuple(gpus))

    def renew(self, leases: Sequence[Lease]) -> None:
        """Control advances."""
        now_ns = self._clock_ns()
        for lease in leases:
            if self._leases.left_ns(lease.uuid, now_ns) == 0:
                log.info("%s: leased again", lease.uuid)
        if self._leases.renew(leases, now_ns):
            self._on_leases(self._leases.fallbacks)

    def set(self, asked: Set, done: Callable[[SetDone], None]) -> None:
        """Have this done; `done` is called once, within SET_S_MAX."""
        gpu = self._gpus.get(asked.uuid)
        refusal = self._refusal(asked, gpu)
        if refusal is not None:
            done(refusal)
            return
        waiting = _Waiting(asked, done)
        waiting.until = asyncio.get_running_loop().call_later(SET_S_MAX, self._overdue, waiting)
        self._sets.append(waiting)
        self._sooner.set()

    def _refusal(self, asked: Set, gpu: KnownGpu | None) -> SetDone | None:
        def no(outcome: Health | Refusal, detail: str) -> SetDone:
            return SetDone(asked.id, asked.uuid, outcome, False, detail)

        if gpu is None:  # one that is not known yet may still be found
            return no("unknown_gpu" if self._health == "ok" else self._health, self._detail)
        if len(self._sets) >= SETS_MAX:
            return no("trouble", f"{SETS_MAX} sets wait already")
        if self._ceiling_w is not None and asked.limit_w is not None and asked.limit_w > self._ceiling_w:
            return no("out_of_range", f"{asked.limit_w:g} W; gpud was started with --ceiling-w {self._ceiling_w:g}")
        if self._health in AT_ONCE:
            return no(self._health, self._detail)
        if gpu.reading.health in ("hung", "lost", "gone"):
            return no(gpu.reading.health, gpu.reading.detail)
        return None

    # --- the one task that asks the worker --------------------------------------------------------------------------

    async def run(self) -> NoReturn:
        """Keep a worker, until cancelled; then it is killed."""
        try:
            while True:
                try:
                    worker = await self._begin()
                    await self._serve(worker)
                except WorkerLost as lost:
                    self._worker = None
                    await self._sleep(self._after(lost))
        finally:
            if self._worker is not None:
                self._worker.end()

    async def _begin(self) -> Worker:
        while corpses() >= CORPSES_MAX:
            self._turn("hung", f"{CORPSES_MAX} killed workers are still inside the driver")
            await self._sleep(AGAIN_S)
        self._worker = self._start()
        answer = await self._worker.ask(Enumerate(), ENUMERATE_S)
        assert isinstance(answer, Enumerated)
        if answer.health != "ok":
            self._worker.end()
            raise WorkerLost(answer.health, answer.detail)
        self._found(answer)
        self._turn("ok", answer.detail)
        return self._worker

    def _found(self, answer: Enumerated) -> None:
        now_ns = self._clock_ns()
        here = {info.uuid for info in answer.gpus}
        for info in answer.gpus:
            if self._ceiling_w is not None and info.limit_w_max is not None:
                info = replace(info, limit_w_max=min(info.limit_w_max, self._ceiling_w))
            known = self._gpus.get(info.uuid)
            if known is None:
                self._gpus[info.uuid] = KnownGpu(info)
                continue
            known.info = info
            if known.reading.health in ("lost", "gone"):
                known.reading = GpuReading(info.uuid, "starting", None)
        missing = [uuid for uuid in self._gpus if uuid not in here]
        for uuid in missing:
            self._judge(self._gpus[uuid], "lost" if answer.lost else "gone", answer.detail or "not enumerated any more")
        self._enumerate_ns = now_ns + round(AGAIN_S * _NS_PER_S) if missing or answer.lost else None

    async def _serve(self, worker: Worker) -> NoReturn:
        """Ask this worker; ends with WorkerLost."""
        while True:
            begun_ns = self._clock_ns()
            corpses()  # reaps those that have come out of the driver
            await self._do_sets(worker)
            for gpu in tuple(self._gpus.values()):
                if gpu.reading.health not in ("lost", "gone") and gpu.hung_until_ns <= self._clock_ns():
                    await self._look(worker, gpu)
                await self._do_sets(worker)
            await self._do_lapses(worker)
            self._failures = 0
            if self._enumerate_ns is not None and self._clock_ns() >= self._enumerate_ns:
                worker.end()
                raise WorkerLost("starting", "looking for lost GPUs anew")
            await self._sleep(LOOK_S - (self._clock_ns() - begun_ns) / _NS_PER_S, worker)

    async def _look(self, worker: Worker, gpu: KnownGpu) -> None:
        asked_ns = self._clock_ns()
        answer = await self._order(worker, gpu, Look(gpu.info.uuid))
        assert isinstance(answer, Looked)
        self._keep_xids(answer.xids)
        self._judge(gpu, answer.reading.health, answer.reading.detail)
        if answer.reading.health == "ok":
            before_j, after_j = gpu.reading.energy_j, answer.reading.energy_j
            if before_j is not None and after_j is not None and after_j < before_j:
                gpu.clocks = None  # the counter begins at driver load, and locks end there
            gpu.reading, gpu.read_ns, gpu.hangs = answer.reading, asked_ns, 0
        elif answer.reading.health in ("lost", "gone") and self._enumerate_ns is None:
            self._enumerate_ns = self._clock_ns() + round(AGAIN_S * _NS_PER_S)
        if answer.worker != "ok":
            worker.end()
            raise WorkerLost(answer.worker, answer.reading.detail)

    async def _do_sets(self, worker: Worker) -> None:
        while self._sets:
            waiting = self._sets.popleft()
            if waiting.answered:
                continue
            gpu = self._gpus[waiting.asked.uuid]
            refusal = self._refusal(waiting.asked, gpu)
            if refusal is not None:
                self._answer(waiting, refusal)
                continue
            held = self._leases.held(gpu.info.uuid, self._clock_ns())
            clocks, left_out = _clocks_allowed(waiting.asked.clocks, gpu.clocks, held)
            if left_out and gpu.clocks is not None:
                self._finish(waiting, Applied("no_lease", False, left_out))
                continue
            order = Apply(gpu.info.uuid, waiting.asked.limit_w, clocks, held)
            waiting.tried = True
            try:
                applied = await self._apply(worker, gpu, order)
                if applied.outcome == "ok":
                    gpu.lapsed_from_w = None
                    await self._look(worker, gpu)
            except WorkerLost as lost:
                self._finish(waiting, Applied(lost.health, True, lost.detail))
                raise
            self._finish(waiting, replace(applied, detail=applied.detail or left_out))

    async def _do_lapses(self, worker: Worker) -> None:
        now_ns = self._clock_ns()
        for uuid in self._leases.lapsed(now_ns):
            gpu = self._gpus.get(uuid)
            if gpu is None or gpu.reading.health != "ok" or gpu.reading.limit_w is None or now_ns < gpu.lapse_again_ns:
                continue
            before_w = gpu.reading.limit_w
            limit_w = lapse_to_w(before_w, gpu.info.limit_w_min or 0.0, self._leases.fallbacks[uuid])
            if limit_w is None:
                continue
            applied = await self._apply(worker, gpu, Apply(uuid, limit_w, None, may_raise=False))
            log.warning(
                "%s: lease lapsed, limit %g W -> %g W: %s %s", uuid, before_w, limit_w, applied.outcome, applied.detail
            )
            if applied.outcome == "ok":
                gpu.lapsed_from_w = before_w
                await self._look(worker, gpu)
            else:
                gpu.lapse_again_ns = now_ns + round(AGAIN_S * _NS_PER_S)

    async def _apply(self, worker: Worker, gpu: KnownGpu, order: Apply) -> Applied:
        answer = await self._order(worker, gpu, order)
        assert isinstance(answer, Applied)
        if order.clocks is not None and answer.tried:
            gpu.clocks = order.clocks if answer.outcome == "ok" else None
        if answer.worker != "ok":
            worker.end()
            raise WorkerLost(answer.worker, answer.detail)
        return answer

    async def _order(self, worker: Worker, gpu: KnownGpu, order: Look | Apply) -> Looked | Applied:
        try:
            answer = await worker.ask(order, ORDER_S)
        except WorkerLost as lost:
            if lost.health == "hung":
                wait_s = HUNG_S[min(gpu.hangs, len(HUNG_S) - 1)]
                gpu.hangs += 1
                gpu.hung_until_ns = self._clock_ns() + round(wait_s * _NS_PER_S)
                self._judge(gpu, "hung", f"{lost.detail}; tried again in {wait_s:g} s")
                raise WorkerLost("starting", f"{gpu.info.uuid} hung") from lost  # of the worker: nothing else is wrong
            raise
        assert not isinstance(answer, Enumerated)
        return answer

    # --- what became of it ------------------------------------------------------------------------------------------

    def _finish(self, waiting: _Waiting, applied: Applied) -> None:
        asked = waiting.asked
        outcome = "hung" if applied.outcome == "starting" else applied.outcome
        log.info("%s: set %s W, clocks %s: %s %s", asked.uuid, asked.limit_w, asked.clocks, outcome, applied.detail)
        self._answer(
            waiting,
            SetDone(
                asked.id,
                asked.uuid,
                outcome,
                applied.tried,
                applied.detail,
                applied.limit_w,
                self._gpus[asked.uuid].clocks,
            ),
        )

    def _overdue(self, waiting: _Waiting) -> None:
        outcome: Health = "hung" if self._health == "ok" else self._health
        detail = f"not done within {SET_S_MAX:g} s"
        self._answer(waiting, SetDone(waiting.asked.id, waiting.asked.uuid, outcome, waiting.tried, detail))

    def _answer(self, waiting: _Waiting, done: SetDone) -> None:
        if waiting.answered:
            return
        waiting.answered = True
        if waiting.until is not None:
            waiting.until.cancel()
        waiting.done(done)

    def _keep_xids(self, seen: Sequence[XidSeen]) -> None:
        for xid in seen:
            self._xid_number += 1
            gpu = self._gpus.get(xid.uuid)
            log.error("%s: XID %d", xid.uuid or "a GPU that the driver doesn't name", xid.code)
            if gpu is not None:
                gpu.xids.append((self._xid_number, xid.code, self._clock_ns()))

    def _judge(self, gpu: KnownGpu, health: Health, detail: str) -> None:
        if health != gpu.reading.health:
            level = logging.INFO if health == "ok" else logging.ERROR
            log.log(level, "%s: %s -> %s %s", gpu.info.uuid, gpu.reading.health, health, detail)
        if health != "ok":
            gpu.reading = GpuReading(gpu.info.uuid, health, None, detail)

    def _after(self, lost: WorkerLost) -> float:
        """How long until the next worker."""
        delays = RETRY_S.get(lost.health)
        self._turn(lost.health, lost.detail)
        if lost.health in ("reloading", "no_driver"):
            for gpu in self._gpus.values():
                gpu.clocks = None  # locks end with the driver
        if delays is None:
            return 0.0
        delay_s = delays[min(self._failures, len(delays) - 1)]
        self._failures += 1
        return delay_s

    def _turn(self, health: Health, detail: str) -> None:
        if health != self._health:
            log.log(logging.INFO if health in ("ok", "starting") else logging.ERROR, "worker: %s %s", health, detail)
        self._health, self._detail = health, detail

    async def _sleep(self, wait_s: float, worker: Worker | None = None) -> None:
        """Wait; with a worker that could do them, only until a Set arrives."""
        if worker is None:
            await asyncio.sleep(wait_s)
            return
        try:
            async with asyncio.timeout(max(0.0, wait_s)):
                await self._sooner.wait()
        except TimeoutError:
            pass
        finally:
            self._sooner.clear()


def _clocks_allowed(asked: Clocks | None, now: Clocks | None, held: bool) -> tuple[Clocks | None, str]:
    """The clocks that may be set, and what was left out of it because nobody would take it back."""
    if asked is None or held or asked == now:
        return (None if asked == now else asked), ""
    if asked == FREE or (now is not None and now != FREE and asked.high_mhz > now.high_mhz):
        return None, "clocks left as they are: no lease is live"
    return asked, ""
