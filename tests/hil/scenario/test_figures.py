"""Arithmetic over a rig's figures, and nothing else."""

import pytest

from hil.scenario.figures import evaluate, with_figures

FIGURES = {"shed_kw": 13.0, "limit_kw": 60.0}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("shed_kw", 13.0),
        ("0.5 * shed_kw", 6.5),
        ("limit_kw - 2 * (shed_kw + 1)", 32.0),
        ("-shed_kw / 2", -6.5),
        (" 7 ", 7.0),
    ],
)
def test_an_expression_is_worked_out(text: str, value: float) -> None:
    assert evaluate(text, FIGURES) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("shed_mw", "no figure 'shed_mw'"),
        ("shed_kw ** 2", "only numbers"),
        ("__import__('os')", "only numbers"),
        ("'a' + 'b'", "only numbers"),
        ("True", "only numbers"),
        ("1 +", "no arithmetic"),
    ],
)
def test_anything_else_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        evaluate(text, FIGURES)

    assert said in str(caught.value)


def test_expressions_are_found_wherever_they_are_and_other_texts_stay() -> None:
    tables = {"at": [{"kw": "=shed_kw", "why": "a = b"}], "on": True}

    assert with_figures(tables, FIGURES) == {"at": [{"kw": 13.0, "why": "a = b"}], "on": True}
