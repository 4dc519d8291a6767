"""Plots are well-formed, complete and bounded."""

import math
import re
from xml.etree import ElementTree

from hil.plot import WIDTH, Line, Mark, Panel, Span, draw

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


def test_everything_lies_inside_the_drawing() -> None:
    marks = [Mark(at_s, f"mark {at_s:g}") for at_s in (0.0, 1.0, 60.0, 61.0, 119.0, 120.0)]
    panel = Panel("Frequency", "Hz", [Line("meter", [(0.0, 47.476), (120.0, 50.02)], dots=True)], marks)

    for element in _drawn(panel).iter():
        for name in ("x", "x1", "x2", "cx"):
            assert 0.0 <= float(element.get(name, "0")) <= WIDTH
        for name in ("y", "y1", "y2", "cy"):
            assert 0.0 <= float(element.get(name, "0")) <= panel.height


def test_a_constant_and_an_empty_series_have_an_axis() -> None:
    for points in ([(0.0, 0.0), (1.0, 0.0)], [(0.0, 50.0)], []):
        ticks = [text.text or "" for text in _drawn(Panel("P", "kW", [Line("p", points)])).iter(f"{_SVG}text")]

        assert sum(bool(re.fullmatch(r"-?[\d.]+", text)) for text in ticks) >= 2


def test_names_of_marks_that_would_run_into_each_other_stand_in_rows() -> None:
    marks = [Mark(60.0, "a rather long name"), Mark(62.0, "another long name")]

    drawn = _drawn(Panel("Frequency", "Hz", [Line("meter", [(0.0, 1.0)])], marks))

    heights = {text.get("y") for text in drawn.iter(f"{_SVG}text") if "long name" in (text.text or "")}
    assert len(heights) == 2
