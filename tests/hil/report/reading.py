"""What a test asks of a page: that it is well-formed, needs nothing from outside, and runs nothing.

Elements and attributes that can neither fetch nor run are listed here; anything else is a fault.
"""

import re
from xml.etree import ElementTree

_TAGS = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "h1",
    "h2",
    "h3",
    "p",
    "ul",
    "li",
    "div",
    "span",
    "a",
    "table",
    "tr",
    "th",
    "td",
    "details",
    "summary",
    "pre",
}
_DRAWN = {
    "svg",
    "line",
    "path",
    "rect",
    "circle",
    "text",
}
_ATTRIBUTES = {
    "lang",
    "charset",
    "name",
    "content",
    "class",
    "id",
    "href",
    "open",
}
_SHAPES = {
    "viewBox",
    "role",
    "aria-label",
    "x",
    "x1",
    "x2",
    "y",
    "y1",
    "y2",
    "cx",
    "cy",
    "r",
    "width",
    "height",
    "d",
    "text-anchor",
    "font-weight",
    "class",
}
_REACHES_OUT = re.compile(r"@import|url\s*\(|image\s*\(|expression|behavior", re.IGNORECASE)


def parsed(page: str) -> ElementTree.Element:
    """The page as a tree; every page of the rig is well-formed XML behind its doctype."""
    doctype, _, rest = page.partition("\n")
    assert doctype == "<!doctype html>"
    return ElementTree.fromstring(rest.replace(' xmlns="http://www.w3.org/2000/svg"', ""))


def faults(page: str) -> list[str]:
    """What could reach outside or run, and links to anywhere but this page or its folder."""
    found = []
    for element in parsed(page).iter():
        if element.tag not in _TAGS | _DRAWN:
            found.append(f"<{element.tag}>")
        found += [
            f"<{element.tag} {name}>"
            for name in element.attrib
            if name not in (_SHAPES if element.tag in _DRAWN else _ATTRIBUTES)
        ]
        href = element.get("href", "#")
        if not href.startswith(("#", "./")) or ".." in href.split("/"):
            found.append(href)
        if element.tag == "style":
            found += _REACHES_OUT.findall(element.text or "")
    return found


def words(page: str) -> str:
    """Everything that the page says."""
    return " ".join(f"{element.text or ''} {element.tail or ''}" for element in parsed(page).iter())


def broken_links(page: str) -> list[str]:
    """The anchors that are linked to and are not there."""
    tree = parsed(page)
    anchors = {element.get("id") for element in tree.iter()}
    return [href for a in tree.iter("a") if (href := a.get("href", "")).startswith("#") and href[1:] not in anchors]
