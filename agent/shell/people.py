"""People on site: tags, LOCAL, acknowledgements and releases, by the local socket alone (design.md 4.8).

tag       a named person's durable hold on a load, group, circuit, tank or contactor: no raise passes it. Not isolation
untag     takes it away
local     nothing but a heartbeat is written to it, until `local` with leave
ack       takes a latch away
release   loads that were found off, and that we did not lower, come back by ramp

Who did what and why is on the disk before it has an effect, and in `evt` and `ctl`. No message from outside can do any
of this.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from agent.core.notes import EventNote
from agent.core.state import State
from agent.core.switchgear import acknowledge, release
from agent.core.tree import Tree
from agent.shell.clock import Clock

TEXT_MAX = 200

Question = Mapping[str, Any]
Answer = dict[str, Any]


class Keeper(Protocol):
    """The journal."""

    def kept_under(self, prefix: str) -> Mapping[str, Any]: ...

    async def keep(self, key: str, value: object) -> None: ...


class Held(Protocol):
    """What people hold: the board."""

    @property
    def state(self) -> State: ...

    def hold(self, held: frozenset[str], local: frozenset[str]) -> None:
        """These are not raised; to the second ones nothing is written."""
        ...

    def change(self, change: Callable[[State], State]) -> None:
        """Change the core's state between two decisions."""
        ...


class Refused(Exception):
    """What was asked cannot be done; says why."""


class People:
    """Answers what people on site ask, and keeps what they hold."""

    def __init__(
        self,
        tree: Tree,
        board: Held,
        image: Callable[[], Any],
        keeper: Keeper,
        clock: Clock,
        tell: Callable[[EventNote], None],
    ) -> None:
        self._tree = tree
        self._board = board
        self._image = image
        self._keeper = keeper
        self._clock = clock
        self._tell = tell
        self._tags: dict[str, Any] = _by_target(keeper.kept_under("tag/"))
        self._local: dict[str, Any] = _by_target(keeper.kept_under("local/"))
        self._panels: frozenset[str] = frozenset()  # PLCs whose panel is in LOCAL
        self._hold()

    @property
    def answers(self) -> dict[str, Callable[[Question], Any]]:
        """What may be asked."""
        return {
            "tag": self._asked(self._tag),
            "untag": self._asked(self._untag),
            "local": self._asked(self._set_local),
            "ack": self._asked(self._ack),
            "release": self._asked(self._release),
        }

    def held(self) -> list[dict[str, Any]]:
        """Every tag and LOCAL, for `ctl` and status."""
        tags = [{"target": target, "kind": "tag", **said} for target, said in self._tags.items()]
        local = [{"target": target, "kind": "local", **said} for target, said in self._local.items()]
        panels = [
            {"target": name, "kind": "local", "by": "panel", "why": "its remote contact is open"}
            for name in self._panels
        ]
        return [*tags, *local, *panels]

    def panel(self, plc: str, *, local: bool) -> None:
        """A PLC's panel was switched to LOCAL, or back."""
        panels = self._panels | {plc} if local else self._panels - {plc}
        if panels != self._panels:
            self._panels = panels
            self._hold()
            word = "is in LOCAL" if local else "is in remote again"
            self._tell(EventNote(self._clock.monotonic_ns(), "", "local", plc, "", "", f"the panel of {plc} {word}"))

    def _asked(self, act: Callable[[str, str, str, Question], Any]) -> Callable[[Question], Any]:
        async def answer(question: Question) -> Answer:
            try:
                target, by, why = (_text(question, key) for key in ("target", "by", "why"))
                return {"ok": True, "done": await act(target, by, why, question)}
            except Refused as refused:
                return {"error": str(refused)}
            except OSError as error:
                return {"error": f"not done, it could not be written down: {error}; mend the disk and ask again"}

        return answer

    def _under(self, target: str) -> tuple[str, ...]:
        names = self._tree.under(target)
        if not names:
            raise Refused(f"nothing is called {target!r}; `ballast status` lists loads, circuits and tanks")
        return names

    async def _tag(self, target: str, by: str, why: str, question: Question) -> str:
        names = self._under(target)
        said = self._said(by, why)
        await self._keeper.keep(f"tag/{target}", said)
        self._tags[target] = said
        self._hold()
        return self._told("tag", target, f"{by} tagged {target} ({len(names)} loads): {why}")

    async def _untag(self, target: str, by: str, why: str, question: Question) -> str:
        if target not in self._tags:
            raise Refused(f"{target!r} has no tag; tagged are: {', '.join(self._tags) or 'none'}")
        await self._keeper.keep(f"tag/{target}", None)
        del self._tags[target]
        self._hold()
        return self._told("untag", target, f"{by} took the tag off {target}: {why}")

    async def _set_local(self, target: str, by: str, why: str, question: Question) -> str:
        self._under(target)
        if question.get("leave"):
            if target not in self._local:
                raise Refused(f"{target!r} is not in LOCAL by command; those are: {', '.join(self._local) or 'none'}")
            await self._keeper.keep(f"local/{target}", None)
            del self._local[target]
            self._hold()
            return self._told("local", target, f"{by} took {target} out of LOCAL: {why}")
        said = self._said(by, why)
        await self._keeper.keep(f"local/{target}", said)
        self._local[target] = said
        self._hold()
        return self._told("local", target, f"{by} put {target} into LOCAL: {why}")

    async def _ack(self, target: str, by: str, why: str, question: Question) -> str:
        if acknowledge(self._tree, self._board.state, target) is None:
            latched = ", ".join(self._board.state.durable.latched) or "none"
            raise Refused(f"{target!r} is not latched; latched are: {latched}")
        await self._keeper.keep(f"ack/{target}", self._said(by, why))
        self._board.change(lambda state: acknowledge(self._tree, state, target) or state)
        return self._told("ack", target, f"{by} acknowledged {target}: {why}")

    async def _release(self, target: str, by: str, why: str, question: Question) -> str:
        self._under(target)
        now_ns = self._clock.monotonic_ns()
        if not release(self._tree, self._board.state, self._image(), target, now_ns)[1]:
            raise Refused(f"nothing of {target!r} was found off and is not ours already")
        await self._keeper.keep(f"release/{target}", self._said(by, why))
        done: list[str] = []

        def change(state: State) -> State:
            after, names = release(self._tree, state, self._image(), target, self._clock.monotonic_ns())
            done.extend(names)
            return after

        self._board.change(change)
        return self._told("release", target, f"{by} released {len(done)} loads of {target}: {why}")

    def _said(self, by: str, why: str) -> dict[str, Any]:
        return {"by": by, "why": why, "at_ms": self._clock.wall_ms()}

    def _told(self, kind: str, target: str, why: str) -> str:
        self._tell(EventNote(self._clock.monotonic_ns(), "", kind, target, "", "", why))
        return why

    def _hold(self) -> None:
        local = {name for target in self._local for name in self._tree.under(target)}
        for contactor in self._tree.contactors.values():
            if contactor.plc in self._panels:
                local |= {contactor.id, *contactor.feeds}
        held = local | {name for target in self._tags for name in self._tree.under(target)}
        self._board.hold(frozenset(held), frozenset(local))


def _by_target(kept: Mapping[str, Any]) -> dict[str, Any]:
    return {key.split("/", 1)[1]: said for key, said in kept.items() if isinstance(said, dict)}


def _text(question: Question, key: str) -> str:
    value = question.get(key)
    if not isinstance(value, str) or not value.strip() or len(value) > TEXT_MAX:
        raise Refused(f"{key} must be a text of 1 to {TEXT_MAX} characters")
    return value.strip()
