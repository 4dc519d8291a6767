"""Numbers that a scenario takes from its rig: a text that begins with "=" is arithmetic over the rig's figures.

    kw = "=0.95 * shed_kw"

Names are those of [figures] in rig.toml; + - * / and brackets are there, and nothing else.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def with_figures(value: Any, figures: Mapping[str, float]) -> Any:
    """A decoded TOML value with every "=..." worked out. ValueError names what is wrong with one."""
    if isinstance(value, dict):
        return {key: with_figures(below, figures) for key, below in value.items()}
    if isinstance(value, list):
        return [with_figures(below, figures) for below in value]
    if isinstance(value, str) and value.startswith("="):
        return evaluate(value[1:], figures)
    return value


def evaluate(text: str, figures: Mapping[str, float]) -> float:
    """One expression."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except SyntaxError:
        raise ValueError(f'"={text}" is no arithmetic; write for instance "=0.95 * shed_kw"') from None
    return round(_number(tree.body, text, figures), 6)


def _number(node: ast.expr, text: str, figures: Mapping[str, float]) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return float(node.value)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = (_number(side, text, figures) for side in (node.left, node.right))
        return _OPERATORS[type(node.op)](left, right)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_number(node.operand, text, figures)
    if isinstance(node, ast.Name):
        if node.id in figures:
            return figures[node.id]
        known = ", ".join(sorted(figures)) or "none"
        raise ValueError(f'"={text}": the rig has no figure {node.id!r} (it has: {known}); add it to its [figures]')
    raise ValueError(f'"={text}": only numbers, figures, + - * / and brackets')
