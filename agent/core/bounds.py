"""Bounds: between how many watts a circuit must be, who says so and why; folding them where they disagree.

Classes are folded from the top down (design.md section 1). A bound that does not intersect what higher classes left is
clamped to the nearest edge and reported unmet. Within a class the upper edge wins over the lower.
"""

from collections.abc import Iterable

from msgspec import Struct

from agent.core.site import BoundClass


class Bound(Struct, frozen=True):
    """An interval [lo_w, hi_w] on one circuit's net power."""

    circuit: str
    key: str  # what it comes from, once for as long as it is the same request
    rule: str
    cls: BoundClass
    hi_w: float = float("inf")
    lo_w: float = float("-inf")
    until_ns: int | None = None
    base_w: float | None = None  # the net power that hi_w was worked out from
    slack_w: float = 0.0  # how far above hi_w steady readings may stand before more is lowered for it
    acts: bool = True  # false: decided and told, never done
    unlimited: bool = False  # cooling and permits: jump limits do not hold it back
    begins: bool = False  # an event begins with it even if nothing has to be lowered


class Folded(Struct, frozen=True):
    """What is left of a circuit's bounds."""

    lo_w: float
    hi_w: float
    binding: Bound | None  # who set hi_w
    unmet: tuple[Bound, ...] = ()


def fold(bounds: Iterable[Bound]) -> Folded:
    """The interval that satisfies the bounds from the highest class down, and those it could not satisfy."""
    lo_w, hi_w = float("-inf"), float("inf")
    binding: Bound | None = None
    unmet: list[Bound] = []
    # Within a class every upper edge is taken before any lower one.
    ordered = sorted(bounds, key=lambda bound: bound.cls)
    for cls in BoundClass:
        here = [bound for bound in ordered if bound.cls is cls]
        for bound in here:
            if bound.hi_w < lo_w:
                unmet.append(bound)
                wanted_w = lo_w
            else:
                wanted_w = bound.hi_w
            if wanted_w < hi_w:
                hi_w, binding = wanted_w, bound
        for bound in here:
            if bound.lo_w > hi_w:
                unmet.append(bound)
                lo_w = hi_w
            else:
                lo_w = max(lo_w, bound.lo_w)
    return Folded(lo_w, hi_w, binding, tuple(unmet))
