"""Scenarios: what is done to an agent over time, and what has to come of it. docs/rig.md explains the files."""
