"""The version that runs: pyproject.toml's, as installed."""

from importlib.metadata import version

VERSION = version("ballast-agent")
