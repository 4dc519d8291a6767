"""A small site.toml that is right, and ways to break it."""

from pathlib import Path

import pytest

from agent.config import ConfigErrors, Fault, load

SITE = """\
[site]
id = "demo"
nominal_hz = 50.0

[[circuit]]
id = "poi"
meter = "main"
limit_kw = 400
unmetered_kw = 10
fallback_kw = 50

[[circuit]]
id = "hall"
parent = "poi"
limit_kw = 300

[[link]]
id = "net"
url = "tcp://127.0.0.1:5020"

[[meter]]
id = "main"
link = "net"
profile = "eastron-sdm630"
nominal_ln_v = 230.0

[[miners]]
id = "a"
circuit = "hall"
family = "avalon"
hosts = ["127.1.0.1-127.1.0.60"]
rated_w = 3250
sleep_w = 25

[[rule]]
id = "ufr"
kind = "under_frequency"
circuit = "poi"
shed_below_hz = 49.5
shed_kw = 100
release = { above_hz = 49.9, for_s = 5 }

[mqtt]
url = "mqtt://127.0.0.1:1883"
"""


def changed(*changes: tuple[str, str]) -> str:
    """SITE with each first text replaced by the second."""
    text = SITE
    for before, after in changes:
        assert before in text, f"{before!r} is not in the site"
        text = text.replace(before, after, 1)
    return text


def written(folder: Path, text: str = SITE) -> Path:
    """The text as a site.toml in a folder."""
    path = folder / "site.toml"
    path.write_text(text, encoding="utf-8", newline="")
    return path


def faults_of(path: Path) -> tuple[Fault, ...]:
    """Every fault of a file that must have some."""
    with pytest.raises(ConfigErrors) as raised:
        load(path)
    return raised.value.faults


def told(folder: Path, text: str) -> list[str]:
    """Every fault of a text, as a person is shown it, with the folder left out."""
    return [str(fault).replace(f"{folder}/", "") for fault in faults_of(written(folder, text))]
