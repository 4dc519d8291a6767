"""The configuration in a flight: the whole of it, and read again where none of its files are."""

import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from agent.config import SiteFile, load
from agent.core.tree import Tree
from agent.flight.scene import NoScene, head_of, scene
from agent.translate import GpuSteps, translate
from drivers.profile import FOLDER
from tests.sim.site import Site
from tests.sim.sitefile import site_toml

DOCS = Path(__file__).parents[2] / "docs"
GPUS = {"r1": (GpuSteps("GPU-0", 100.0, 200.0, 400.0),)}


def same_without_its_files(file: SiteFile, folder: Path, gpus: dict[str, tuple[GpuSteps, ...]]) -> None:
    """The scene of this file's head, made when its folder is gone, is that of the file itself."""
    translated = translate(file, gpus)
    head = head_of(file, gpus, "boot")
    shutil.rmtree(folder)

    again = scene(head)

    assert again.tree.site == translated.site == Tree(translated.site).site
    assert again.written == translated.rules


def test_the_example_site_with_its_inventory_is_read_again_from_the_texts(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    shutil.copytree(DOCS, folder)
    file = load(folder / "site.example.toml")
    assert file.named, "it names an inventory"

    same_without_its_files(file, folder, {table.id: GPUS["r1"] for table in file.gpus})


@pytest.mark.parametrize("quote", ['"', "'"])
def test_files_that_are_named_by_their_whole_path_are_too(tmp_path: Path, quote: str) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "miners.csv").write_text("address,rated_w\n10.0.0.1,3200\n10.0.0.2,3300\n")
    shutil.copy(FOLDER / "janitza-umg604.toml", folder / "own-meter.toml")
    text = site_toml(Site(miners=2))
    hosts = next(line for line in text.splitlines() if line.startswith("hosts"))
    text = text.replace(hosts, f"inventory = {quote}{folder}/miners.csv{quote}")
    text = text.replace('"janitza-umg604"', f"{quote}./own-meter.toml{quote}")
    (folder / "site.toml").write_text(text)
    file = load(folder / "site.toml")
    assert set(file.named) == {f"{folder}/miners.csv", "./own-meter.toml"}

    same_without_its_files(file, folder, {})


def test_a_text_that_is_not_the_one_that_was_summed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(site_toml(Site()))
    head = head_of(load(tmp_path / "site.toml"), {}, "boot")

    with pytest.raises(NoScene, match="sum"):
        scene(replace(head, text=head.text + "\n"))
