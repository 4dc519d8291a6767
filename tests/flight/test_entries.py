"""What is recorded comes back as it was: states with every rule's memory, and changes of the durable state."""

import inspect
from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

import agent.core.rules
from agent.core.rules.comms_loss import CommsMemory
from agent.core.state import Durable, Lowered, State
from agent.flight.entries import KeptState, applied, delta, encode, keep, kept


def _memories() -> Iterator[type[Struct]]:
    for found in iter_modules(agent.core.rules.__path__):
        module = import_module(f"agent.core.rules.{found.name}")
        for name, kind in inspect.getmembers(module, inspect.isclass):
            if name.endswith("Memory") and issubclass(kind, Struct) and kind.__module__ == module.__name__:
                yield kind


@pytest.mark.parametrize("kind", list(_memories()), ids=lambda kind: kind.__name__)
def test_the_memory_of_every_kind_of_rule_can_be_read_back(kind: type[Struct]) -> None:
    msgspec.msgpack.Decoder(kind)


def test_a_state_comes_back_with_its_rules_memories() -> None:
    state = State(memories={"loss": CommsMemory(5, {"poi": float("inf")})}, mistrusted={"a/1": 7})

    back = kept(msgspec.msgpack.decode(encode(keep(state)), type=KeptState))

    assert back == state


@pytest.mark.parametrize(
    "name", ["os.path", "agent.core.rules.nothing.Memory", "agent.core.values.age_s", "CommsMemory"]
)
def test_a_memory_of_no_kind_that_is_known_is_refused_by_name(name: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=name.rpartition(".")[2]):
        kept(KeptState(State(), {"loss": (name, msgspec.Raw(encode({})))}))


_DOWN = st.builds(
    Lowered, st.text(max_size=3), st.just("off"), st.integers(0, 9), st.floats(0, 9), confirmed=st.booleans()
)
_DURABLE = st.builds(
    Durable,
    lowered=st.dictionaries(st.sampled_from("abcdef"), _DOWN),
    latched=st.dictionaries(st.sampled_from("xy"), st.text(max_size=2)),
    counter=st.integers(0, 3),
)


@given(_DURABLE, _DURABLE)
def test_a_change_applied_to_what_was_before_gives_what_was_after(before: Durable, after: Durable) -> None:
    change = delta(before, after)

    assert change is not None
    assert applied(before, msgspec.msgpack.decode(encode(change), type=type(change))) == after


def test_what_is_the_same_object_is_no_change() -> None:
    durable = Durable(counter=3)

    assert delta(durable, durable) is None


def test_only_what_changed_is_recorded() -> None:
    one, other = Lowered("E", "off", 1, 2.0), Lowered("E", "off", 2, 2.0)
    before = Durable(lowered={"a": one, "b": one}, events={})
    after = Durable(lowered={"a": one, "b": other}, events=before.events)

    change = delta(before, after)

    assert change is not None
    assert change.part.lowered == {"b": other}
    assert "events" not in change.fields
