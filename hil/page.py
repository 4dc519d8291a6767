"""The page that the demo, the rig, its comparisons and its soaks share: one HTML file that needs nothing else.

It works offline and without a script, on a phone's 360 CSS pixels as on a desk, in the light and in the dark (the
reader's setting), and says nothing by colour alone. It is also well-formed XML, so that a test can read it. Every
function here takes text and escapes it, except what is called `markup`.
"""

from collections.abc import Collection, Sequence
from urllib.parse import quote

from msgspec import Struct

from hil.drawing import NARROW, STYLE, WIDE
from hil.histogram import Histogram, draw_histogram
from hil.markup import clean, text
from hil.plot import Panel, draw
from hil.results import Verdict

WORDS = {
    Verdict.PASSED: "passed",
    Verdict.FAILED: "failed",
    Verdict.ERROR: "error",
    Verdict.NOT_RUNNABLE: "not runnable",
}
_SIGNS = {Verdict.PASSED: "\u2713", Verdict.FAILED: "\u2717", Verdict.ERROR: "!", Verdict.NOT_RUNNABLE: "\u2013"}


class Check(Struct, frozen=True):
    """One line of a list of verdicts."""

    verdict: Verdict
    what: str
    detail: str = ""
    tag: str = ""  # a word that sets it apart
    href: str = ""  # where more of it is: "#id" of this page, or a path relative to it


def check(ok: bool, what: str, detail: str = "", tag: str = "") -> Check:
    """A line that is passed or failed."""
    return Check(Verdict.PASSED if ok else Verdict.FAILED, what, detail, tag)


def page(title: str, markup: Sequence[str]) -> str:
    """The whole file."""
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8"/>',
            '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
            f"<title>{text(title)}</title>",
            f"<style>{_STYLE}{STYLE}</style>",
            "</head>",
            "<body>",
            *markup,
            "</body>",
            "</html>\n",
        ]
    )


def heading(title: str, ok: bool, outcome: str, notes: Sequence[str] = ()) -> str:
    """What it is, and at a glance how it ended."""
    sign = _SIGNS[Verdict.PASSED if ok else Verdict.FAILED]
    return "\n".join(
        [
            f"<h1>{text(title)}</h1>",
            f'<p class="outcome {"passed" if ok else "failed"}">{sign} {text(outcome)}</p>',
            *[paragraph(note) for note in notes],
        ]
    )


def paragraph(words: str) -> str:
    """Words that explain."""
    return f'<p class="quiet">{text(words)}</p>'


def badge(verdict: Verdict) -> str:
    """A verdict as sign, word and colour."""
    return f'<span class="badge {verdict.value}">{_SIGNS[verdict]} {WORDS[verdict]}</span>'


def check_list(checks: Sequence[Check]) -> str:
    """Verdicts under one another."""
    return "\n".join(['<ul class="checks">', *[_item(one) for one in checks], "</ul>"])


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[int]) -> str:
    """A table; `numbers` are the columns that hold numbers."""
    lines = [_row("th", head, numbers), *[_row("td", row, numbers) for row in rows]]
    return "\n".join(['<div class="scroll"><table>', *lines, "</table></div>"])


def fold(summary: str, markup: Sequence[str], *, badge_markup: str = "", opened: bool = False, anchor: str = "") -> str:
    """Something that is read when wanted. A link to its anchor opens it, for the anchor is what is folded."""
    name = f' id="{text(anchor)}"' if anchor else ""
    return "\n".join(
        [
            '<details open="open">' if opened else "<details>",
            f"<summary>{badge_markup}<span>{text(summary)}</span></summary>",
            f'<div class="folded"{name}>',
            *markup,
            "</div></details>",
        ]
    )


def preformatted(lines: Sequence[str]) -> str:
    """Lines as they are."""
    return "\n".join(f"<pre>{text(line)}</pre>" for line in lines)


def links(files: Sequence[tuple[str, str]]) -> str:
    """What there is to open in the page's own folder. A path can be no address: what would make it one is quoted."""
    items = [f'<li><a href="./{quote(clean(path))}">{text(what)}</a></li>' for what, path in files]
    return "\n".join(["<ul>", *items, "</ul>"])


def plot(panel: Panel, from_s: float, to_s: float) -> str:
    """A plot against time, as wide as the page."""
    return _either(draw(panel, from_s, to_s, WIDE), draw(panel, from_s, to_s, NARROW))


def distribution(histogram: Histogram) -> str:
    """A histogram, as wide as the page."""
    return _either(draw_histogram(histogram, WIDE), draw_histogram(histogram, NARROW))


def _either(wide: str, narrow: str) -> str:
    return f'<div class="drawing wide">{wide}</div><div class="drawing narrow">{narrow}</div>'


def _item(one: Check) -> str:
    what = f'<a href="{text(one.href)}">{text(one.what)}</a>' if one.href else text(one.what)
    tag = f' <span class="tag">{text(one.tag)}</span>' if one.tag else ""
    detail = f'<p class="quiet">{text(one.detail)}</p>' if one.detail else ""
    return f"<li>{badge(one.verdict)}<div>{what}{tag}{detail}</div></li>"


def _row(cell: str, values: Sequence[str], numbers: Collection[int]) -> str:
    kinds = [' class="number"' if index in numbers else "" for index in range(len(values))]
    cells = [f"<{cell}{kind}>{text(value)}</{cell}>" for kind, value in zip(kinds, values, strict=True)]
    return f"<tr>{''.join(cells)}</tr>"


_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1a2229; --quiet: #5b6770; --grid: #e3e8ec; --span: #f3efe2;
  --c1: #0b62a8; --c2: #c2410c; --c3: #3f7d20; --c4: #7b3fa0; --c5: #8a6d00; --c6: #00786f;
  --passed: #256b2b; --failed: #b3261e; --odd: #6b5200; }
@media (prefers-color-scheme: dark) { :root { --paper: #12181d; --ink: #e8edf1; --quiet: #9aa7b1; --grid: #27323a;
  --span: #23221a; --c1: #6db3f2; --c2: #ff9b6a; --c3: #93d36b; --c4: #cf9bf0; --c5: #e0c04a; --c6: #4fd1c5;
  --passed: #7ccf83; --failed: #ff8a80; --odd: #e0c04a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 48rem; padding: 1.5rem 1rem 3rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .3rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; } p { margin: .3rem 0; } a { color: inherit; }
.quiet { color: var(--quiet); font-size: .9rem; }
.outcome { font-weight: 600; font-size: 1.15rem; }
.passed { color: var(--passed); } .failed, .error { color: var(--failed); } .not_runnable { color: var(--odd); }
.badge { flex: 0 0 8.6rem; font-weight: 600; white-space: nowrap; }
ul.checks { list-style: none; padding: 0; margin: 0; }
.checks li { display: flex; flex-wrap: wrap; gap: 0 .8rem; padding: .45rem 0; border-top: 1px solid var(--grid); }
.checks li > div { flex: 1 1 14rem; min-width: 0; }
.tag { background: var(--span); border-radius: .3rem; padding: 0 .4rem; font-size: .8rem; white-space: nowrap; }
details { border-top: 1px solid var(--grid); padding: .5rem 0; }
summary { cursor: pointer; } summary .badge { display: inline-block; min-width: 7.5rem; margin-right: .5rem; }
.folded { padding: .3rem 0 1rem; scroll-margin-top: 4rem; }
.drawing { margin: .8rem 0 1.2rem; } .narrow { display: none; }
.scroll { overflow-x: auto; margin: .5rem 0 1.2rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; overflow-wrap: normal; }
td, th { text-align: left; padding: .35rem .8rem .35rem 0; border-top: 1px solid var(--grid); vertical-align: top; }
th { color: var(--quiet); font-weight: 600; } .number { text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .8rem; margin: .3rem 0; padding: .4rem 0;
  border-top: 1px solid var(--grid); }
@media (max-width: 36rem) { .wide { display: none; } .narrow { display: block; } summary .badge { min-width: 0; }
  table { font-size: .82rem; } td, th { padding-right: .5rem; } }
"""
