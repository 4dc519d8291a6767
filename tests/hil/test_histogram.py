"""Histograms show the tail, name their percentiles and are bounded."""

from xml.etree import ElementTree

import pytest

from hil.drawing import NARROW, WIDE
from hil.histogram import Histogram, Times, draw_histogram

_SVG = "{http://www.w3.org/2000/svg}"


def _drawn(*times: Times, width: int = WIDE) -> ElementTree.Element:
    return ElementTree.fromstring(draw_histogram(Histogram("Times", "ms", times), width))


def _texts(drawing: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in drawing.iter(f"{_SVG}text")]


def _bars(drawing: ElementTree.Element) -> list[ElementTree.Element]:
    return [element for element in drawing.iter(f"{_SVG}rect") if element.get("class") == "bar"]


def test_one_late_sample_of_a_thousand_can_be_seen() -> None:
    drawing = _drawn(Times("agent", [10.0] * 999 + [400.0]))

    assert len(_bars(drawing)) == 2
    assert min(float(bar.get("height", "0")) for bar in _bars(drawing)) >= 2.0


def test_percentiles_that_are_one_sample_share_a_mark() -> None:
    texts = _texts(_drawn(Times("agent", [float(index) for index in range(1, 51)])))

    assert "p50" in texts
    assert "p99, p99.9" in texts


def test_the_floor_is_an_outline_beside_the_bars() -> None:
    drawing = _drawn(Times("agent", [12.0, 14.0]), Times("floor", [9.0, 11.0]))

    assert {"agent", "floor"} <= set(_texts(drawing))
    assert [path.get("class") for path in drawing.iter(f"{_SVG}path")] == ["line c2"]
    assert "floor: 2 samples, p50 9; p99, p99.9 11." in drawing.get("aria-label", "")


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("values", [[], [0.0], [-1.0, 5.0], [5.0], [0.02, 12_000.0], [1.0, 10.0, 100.0]])
def test_any_distribution_lies_inside_the_drawing(values: list[float], width: int) -> None:
    drawing = _drawn(Times("agent", values), Times("floor", values), width=width)

    _, _, right, floor = (float(part) for part in drawing.get("viewBox", "").split())
    for element in drawing.iter():
        for name in ("x", "x1", "x2"):
            assert 0.0 <= float(element.get(name, "0")) <= right
        for name in ("y", "y1", "y2"):
            assert 0.0 <= float(element.get(name, "0")) <= floor
    assert len(_bars(drawing)) == len(
        {value for value in values if value > 0} | {value for value in values if value <= 0}
    )


def test_an_axis_names_at_least_two_places() -> None:
    for values in ([5.0], [9.0, 11.0], [0.02, 12_000.0]):
        for width in (WIDE, NARROW):
            drawing = _drawn(Times("agent", values), width=width)
            named = [each for each in drawing.iter(f"{_SVG}text") if each.get("text-anchor") == "middle"]

            assert len(named) >= 2
