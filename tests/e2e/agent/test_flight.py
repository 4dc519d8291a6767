"""The flight recorder on real processes: what was shed, across a kill -9, is decided again elsewhere and explained."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.agent.broker import Broker
from tests.e2e.agent.site import Figures, Site, ballast


@pytest.fixture(scope="module")
def flown(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[Site]:
    """A site whose agent shed, was killed while it held, came back, and let everything return."""
    with Site(tmp_path_factory.mktemp("flight"), Figures(id="flight"), broker=broker) as site:
        site.start()
        site.rig.do("frequency", hz=49.3)
        site.eventually("delivered", lambda: site.events("delivered", "ufr"))
        site.eventually(
            "the verdict is on the disk", lambda: any(b"delivered" in words(path) for path in flights(site))
        )
        site.kill()
        site.start(settled=False)
        site.eventually("heard everything", lambda: site.mode() == "HOLDING")
        site.rig.do("frequency", hz=50.0)
        site.eventually("over", lambda: site.events("end", "ufr"))
        assert site.stop() == 0
        yield site


def flights(site: Site) -> list[Path]:
    return sorted((site.state / "flights").glob("*.flight"))


def words(path: Path) -> bytes:
    """What `ballast explain` says of a flight that is being written."""
    listed = run("explain", "--json", "--file", str(path))
    events = [row["id"] for row in json.loads(listed.stdout)["events"]] if listed.returncode == 0 else []
    return b"".join(run("explain", event, "--file", str(path)).stdout.lower() for event in events)


def run(*words: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run([ballast(), *words], capture_output=True, check=False, timeout=60)


def test_every_flight_of_both_lives_is_decided_again_to_the_last_bit(flown: Site) -> None:
    files = flights(flown)

    replayed = [run("replay", str(path), "--json") for path in files]

    assert len(files) >= 2, "the killed one's and the other's"
    assert [one.returncode for one in replayed] == [0] * len(files), [one.stdout + one.stderr for one in replayed]
    told = [json.loads(one.stdout) for one in replayed]
    assert all(one["identical"] and one["decisions"] > 50 and not one["lost"] for one in told)


def test_the_event_that_was_signed_is_explained_from_its_reading_to_its_end(flown: Site) -> None:
    (event,) = {record.body["ev"] for record in flown.events(rule="ufr") if record.body["ev"]}

    explained = run("explain", event[:20], "--site", str(flown.file), "--json")

    assert explained.returncode == 0, explained.stderr
    sentences: list[dict[str, Any]] = json.loads(explained.stdout)["sentences"]
    story = " ".join(one["says"] for one in sentences)
    for part in (
        "main reads 49.300 Hz (before: 50.",
        "Rule ufr (below 49.5 Hz), class grid, binds circuit poi",
        "5 loads, worth",
        "5 of 5 loads acknowledged",
        "Delivered, as main shows",
        "told to rise; 5 of 5 by now",
        "The event is over",
    ):
        assert part in story
    assert {one["file"] for one in sentences} <= {path.name for path in flights(flown)}


def test_another_threshold_would_not_have_shed(flown: Site, tmp_path: Path) -> None:
    file = flights(flown)[0]
    new = tmp_path / "new.toml"
    new.write_bytes(
        run("replay", str(file), "--print-site").stdout.replace(b"shed_below_hz = 49.5", b"shed_below_hz = 49")
    )

    compared = run("replay", str(file), "--rules", str(new), "--json")

    (shed,) = (row for row in json.loads(compared.stdout)["sheds"] if row["did"])
    assert (shed["rule"], shed["did"]["loads"], shed["would"]) == ("ufr", 5, None)
