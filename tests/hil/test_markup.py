"""Text stays text, and can be written."""

import pytest

from hil.markup import clean, text


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("plain, ünïcode \U0001f980\t\n", "plain, ünïcode \U0001f980\t\n"),
        ("\x00\x1b[31m\x7f", "\ufffd\ufffd[31m\x7f"),
        ("\ud800 \ufffe", "\ufffd \ufffd"),
    ],
)
def test_what_xml_can_not_hold_is_replaced(given: str, written: str) -> None:
    assert clean(given) == written


def test_markup_in_a_name_is_no_markup() -> None:
    assert text('<a href="x">\'&') == "&lt;a href=&quot;x&quot;&gt;&#x27;&amp;"
