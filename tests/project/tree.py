"""The repository as its own tests see it: the files that belong to it, and what each module imports and calls."""

import ast
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).parents[2]

# What a working copy holds beside the repository's own files (.gitignore has the same list).
_NOT_OURS = {".git", ".venv", "build", "out", "__pycache__", ".mypy_cache", ".ruff_cache", ".hypothesis"}


class Module(Struct, frozen=True):
    """One Python file, parsed."""

    name: str  # dotted: agent.core.values
    path: str  # from the repository's root
    syntax: ast.Module


class Use(Struct, frozen=True):
    """One import of one module by another."""

    line: int
    module: str  # the module, or the name in it where `from module import name` took one


def repository_files() -> Iterator[Path]:
    """Every file of the repository, not what was made from it."""
    pending = [ROOT]
    while pending:
        for path in sorted(pending.pop().iterdir()):
            if path.name in _NOT_OURS or path.name.endswith(".egg-info") or path.is_symlink():
                continue
            if path.is_dir():
                pending.append(path)
            elif path.suffix != ".so":
                yield path


def modules(*packages: str) -> tuple[Module, ...]:
    """Every module below these packages."""
    found = []
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            relative = path.relative_to(ROOT)
            name = ".".join(relative.with_suffix("").parts).removesuffix(".__init__")
            found.append(parse(name, path.read_text("utf-8"), str(relative)))
    return tuple(found)


def parse(name: str, source: str, path: str = "planted.py") -> Module:
    """A module from its source."""
    return Module(name, path, ast.parse(source, path))


def uses(module: Module) -> Iterator[Use]:
    """What the module imports, anywhere in it. `from a import b` gives a.b: b may be a module."""
    package = module.name.split(".")
    if not module.path.endswith("__init__.py"):
        package = package[:-1]
    for node in ast.walk(module.syntax):
        if isinstance(node, ast.Import):
            yield from (Use(node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (Use(node.lineno, f"{base}.{alias.name}") for alias in node.names)


def names(module: Module) -> Iterator[Use]:
    """Every name the module reads, with its dots: `open`, `time.monotonic`, `datetime.datetime.now`."""
    for node in ast.walk(module.syntax):
        name = _dotted(node)
        if name is not None and isinstance(node, ast.Name | ast.Attribute):
            yield Use(node.lineno, name)


def _dotted(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = _dotted(node.value)
        return None if base is None else f"{base}.{node.attr}"
    return None


def within(name: str, packages: tuple[str, ...]) -> bool:
    """Whether a dotted name is one of these, or lies below one."""
    return any(name == package or name.startswith(package + ".") for package in packages)
