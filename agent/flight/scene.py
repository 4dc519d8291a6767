"""The configuration that a flight carries, read again: on any machine, from the texts that are in it.

The files that site.toml names are put into a folder of our own under names of ours, and the text is made to say those:
a flight from elsewhere decides nothing about where files are written here.
"""

import re
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from agent.config import SiteFile, load
from agent.core.rules import Rule, Rules
from agent.core.tree import Tree
from agent.flight import entries
from agent.flight.entries import Head
from agent.translate import GpuSteps, translate
from agent.version import VERSION

_HEADER = re.compile(r"^\s*\[\[?\s*([A-Za-z0-9_-]+)[^\[\]\"']*\]\]?\s*(#.*)?$")


def head_of(file: SiteFile, gpus: Mapping[str, tuple[GpuSteps, ...]], boot: str) -> Head:
    """What a flight of an agent with this site.toml begins with."""
    return Head(
        entries.VERSION,
        VERSION,
        file.site.id,
        file.site.agent,
        boot,
        0,
        None,
        str(file.path),
        file.text,
        sha256(file.text.encode()).hexdigest(),
        dict(file.named),
        dict(gpus),
    )


class NoScene(Exception):
    """The configuration cannot be had from this; says why."""


class Scene:
    """What decisions are made with, besides state and image."""

    def __init__(self, tree: Tree, rules: tuple[Rule, ...]) -> None:
        self.tree = tree
        self.written = rules
        self.rules = Rules(tree, rules)


def scene(head: Head) -> Scene:
    """As it was when the flight was recorded; raises ConfigErrors when this version does not accept it."""
    if sha256(head.text.encode()).hexdigest() != head.sha256:
        raise NoScene("the site.toml in this flight is not the one that its sum is of")
    return _made(head.text, head)


def other_scene(head: Head, text: str) -> Scene:
    """With other rules: those of a whole site.toml, or of a file that has nothing but [[rule]] tables."""
    tables = _tables(text)
    if "site" not in tables:
        if set(tables) != {"rule"}:
            raise NoScene(
                "it is neither a whole site.toml nor [[rule]] tables alone; "
                "`ballast replay FILE --print-site` prints the one to begin with"
            )
        text = f"{without_rules(head.text)}\n{text}"
    made = _made(text, head)
    missing = set(scene(head).tree.circuits) - set(made.tree.circuits)
    if missing:
        raise NoScene(f"it lacks the circuits {', '.join(sorted(missing))}, which the recording speaks of")
    return made


def without_rules(text: str) -> str:
    """site.toml's text less its [[rule]] tables."""
    kept: list[str] = []
    rule = False
    for line in text.splitlines(keepends=True):
        header = _HEADER.match(line)
        if header is not None:
            rule = header[1] == "rule"
        if not rule:
            kept.append(line)
    return "".join(kept)


def _tables(text: str) -> set[str]:
    return {header[1] for line in text.splitlines() if (header := _HEADER.match(line)) is not None}


def _made(text: str, head: Head) -> Scene:
    with tempfile.TemporaryDirectory(prefix="ballast-replay-") as folder:
        for number, (name, content) in enumerate(head.named.items()):
            ours = f"{number}-{Path(name).name}"
            (Path(folder) / ours).write_text(content, encoding="utf-8")
            for quote in ('"', "'"):
                text = text.replace(f"{quote}{name}{quote}", f"{quote}{ours}{quote}")
        path = Path(folder) / "site.toml"
        path.write_text(text, encoding="utf-8")
        translated = translate(load(path), head.gpus)
    return Scene(Tree(translated.site), translated.rules)
