"""Planted bugs: the production agent, broken in one place, in the simulation; the judge that must notice does."""
