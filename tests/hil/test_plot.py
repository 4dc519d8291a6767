"""Plots are well-formed, complete and bounded."""

import math
import re
from xml.etree import ElementTree

import pytest

from hil.drawing import NARROW, WIDE, Mark
from hil.plot import Line, Panel, Span, draw

_SVG = "{http://www.w3.org/2000/svg}"


def _drawn(panel: Panel) -> ElementTree.Element:
    return ElementTree.fromstring(draw(panel, 0.0, 120.0))


def test_a_panel_is_xml_with_every_name_in_it() -> None:
    panel = Panel(
        "Power & <limit>",
        "kW",
        [Line("meter", [(0.0, 1.0), (120.0, 2.0)]), Line("limit", [(0.0, 3.0), (120.0, 3.0)], stepped=True)],
        [Mark(60.0, "shed")],
        [Span(30.0, 120.0, "simulated")],
    )

    texts = {element.text for element in _drawn(panel).iter(f"{_SVG}text")}

    assert {"Power & <limit>, kW", "meter", "limit", "shed", "simulated", "0 s", "120 s"} <= texts


def test_a_value_that_is_missing_or_no_number_breaks_the_line() -> None:
    points = [(0.0, 1.0), (10.0, 2.0), (20.0, None), (30.0, 2.0), (40.0, math.nan), (50.0, 1.0)]

    path = _drawn(Panel("Frequency", "Hz", [Line("meter", points)])).find(f"{_SVG}path")

    assert path is not None
    assert path.get("d", "").count("M") == 3


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_everything_lies_inside_the_drawing(width: int) -> None:
    marks = [Mark(at_s, f"mark {at_s:g}") for at_s in (0.0, 1.0, 60.0, 61.0, 119.0, 120.0)]
    names = ["the meter's register", "limit", "a name that is far too long for a phone and goes on" * 2, "last"]
    lines = [Line(name, [(0.0, 47.476), (120.0, 50.02)], dots=index == 1) for index, name in enumerate(names)]
    panel = Panel("Frequency", "Hz", lines, marks, [Span(100.0, 140.0, "more than there is")])

    drawing = ElementTree.fromstring(draw(panel, 0.0, 120.0, width))

    _, _, right, floor = (float(part) for part in drawing.get("viewBox", "").split())
    assert right == width
    for element in drawing.iter():
        for name in ("x", "x1", "x2", "cx"):
            assert 0.0 <= float(element.get(name, "0")) <= right
        for name in ("y", "y1", "y2", "cy"):
            assert 0.0 <= float(element.get(name, "0")) <= floor


def test_a_long_recording_is_thinned_and_keeps_its_extremes() -> None:
    points = [(index * 0.02, 50.0 + 0.001 * (index % 7)) for index in range(6000)]
    points[3000] = (60.0, 47.0)
    panel = Panel("Frequency", "Hz", [Line("meter", points)])

    path = _drawn(panel).find(f"{_SVG}path")

    assert path is not None
    corners = re.findall(r"([\d.]+) ([\d.]+)", path.get("d", ""))
    assert len(corners) <= 4 * WIDE
    levels = {round(float(up)) for _, up in corners}
    assert max(levels) - min(levels) > 100


def test_a_level_stretch_is_its_two_ends() -> None:
    path = _drawn(Panel("P", "kW", [Line("p", [(float(at), 7.0) for at in range(120)])])).find(f"{_SVG}path")

    assert path is not None
    assert path.get("d", "").count("L") == 1


def test_a_plot_says_in_words_what_it_shows() -> None:
    words = _drawn(Panel("Power", "kW", [Line("meter", [(0.0, 207.0), (60.0, 16.5)])])).get("aria-label")

    assert words == "Power, kW, from 0 to 120 s. meter: 16.5 to 207, 16.5 at the end."


@pytest.mark.parametrize(("end_s", "last"), [(120.0, "120 s"), (2700.0, "40 min"), (86400.0, "20 h")])
def test_times_are_named_in_a_unit_that_fits(end_s: float, last: str) -> None:
    drawing = ElementTree.fromstring(draw(Panel("P", "kW", [Line("p", [(0.0, 1.0)])]), 0.0, end_s))

    assert last in [text.text for text in drawing.iter(f"{_SVG}text")]


def test_a_constant_and_an_empty_series_have_an_axis() -> None:
    for points in ([(0.0, 0.0), (1.0, 0.0)], [(0.0, 50.0)], []):
        ticks = [text.text or "" for text in _drawn(Panel("P", "kW", [Line("p", points)])).iter(f"{_SVG}text")]

        assert sum(bool(re.fullmatch(r"-?[\d.]+", text)) for text in ticks) >= 2


def test_names_of_marks_that_would_run_into_each_other_stand_in_rows() -> None:
    marks = [Mark(60.0, "a rather long name"), Mark(62.0, "another long name")]

    drawn = _drawn(Panel("Frequency", "Hz", [Line("meter", [(0.0, 1.0)])], marks))

    heights = {text.get("y") for text in drawn.iter(f"{_SVG}text") if "long name" in (text.text or "")}
    assert len(heights) == 2
