"""What a reader of the repository can count on."""

import re

import pytest

from tests.project.tree import ROOT, repository_files

TEXT = {".py", ".md", ".toml", ".txt", ".sh", ".c", ".h", ".html", ".csv", ".json", ".service", ".socket", ".yml", ""}

# Directories of whoever wrote a line; the pieces are apart so that this file does not find itself.
MACHINE_PATHS = re.compile("(?<![a-z0-9_.])/(" + "|".join(("root", "home", "work", "Users")) + ")/")
UNFINISHED = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX")) + r")\b")
SKIPS = re.compile(r"pytest\.(mark\.)?(" + "|".join(("sk" + "ip", "x" + "fail", "import" + "orskip")) + ")")


def lines_with(pattern: re.Pattern[str], *suffixes: str) -> list[str]:
    """Where the repository's text matches."""
    found = []
    for path in repository_files():
        if path.suffix in (suffixes or TEXT) and "captures" not in path.parts:
            text = path.read_text("utf-8", errors="replace")
            found += [
                f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}"
                for number, line in enumerate(text.splitlines(), 1)
                if pattern.search(line)
            ]
    return found


def test_no_file_names_a_path_of_a_machine() -> None:
    assert lines_with(MACHINE_PATHS) == []


def test_nothing_is_left_for_later_in_the_code() -> None:
    assert lines_with(UNFINISHED, ".py", ".c", ".sh") == []


def test_no_test_is_left_out() -> None:
    assert lines_with(SKIPS, ".py") == []


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "LICENSE",
        "Makefile",
        ".ci/run",
    ],
)
def test_a_newcomer_finds_the_file(name: str) -> None:
    assert (ROOT / name).read_text("utf-8").strip()


def test_the_readme_starts_with_the_two_commands_and_what_ballast_is_not() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")

    assert "make demo" in readme
    assert "make test" in readme
    assert "docs/demo.png" in readme
    assert "control, not protection" in readme


def test_the_readme_says_what_each_dependency_is_for() -> None:
    declared = re.search(r"^dependencies = \[(.*?)^\]", (ROOT / "pyproject.toml").read_text("utf-8"), re.M | re.S)
    assert declared is not None
    names = re.findall(r'"([a-z0-9-]+)[><=]', declared.group(1))
    readme = (ROOT / "README.md").read_text("utf-8")

    assert len(names) >= 7
    assert [name for name in names if f"`{name}`" not in readme] == []


def test_the_architecture_stays_short_enough_to_be_read() -> None:
    assert len((ROOT / "ARCHITECTURE.md").read_text("utf-8").splitlines()) < 200


def test_every_path_that_a_guide_names_exists() -> None:
    named = re.compile(r"(?<!!)\[[^]]*\]\((?!https?:|#|mailto:)([^)#]+)")  # pictures are made by the demo
    missing = [
        f"{guide}: {path}"
        for guide in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md")
        for path in named.findall((ROOT / guide).read_text("utf-8"))
        if not (ROOT / path).exists()
    ]

    assert missing == []


def test_every_python_file_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in repository_files()
        if path.suffix == ".py"
        and path.name != "__init__.py"
        and not path.read_text("utf-8").lstrip().startswith(('"""', 'r"""', "#!"))
    ]

    assert silent == []
