"""The example's own words, as a soak changes them."""

import tomllib

from hil.soak.site import BRISK, DOCS, brisk_text, rules_of

EXAMPLE = (DOCS / "site.example.toml").read_text(encoding="utf-8")


def test_the_judges_figures_are_the_examples() -> None:
    rules = rules_of(EXAMPLE)

    assert (rules.limit_w, rules.shed_w, rules.shed_below_hz) == (4_000_000.0, 900_000.0, 59.7)
    assert rules.release_for_ns == 900_000_000_000
    assert rules.min_off_ns == 300_000_000_000


def test_a_brisk_site_has_short_times_and_the_same_keys() -> None:
    brisk = rules_of(brisk_text(EXAMPLE))

    assert brisk.min_off_ns == int(BRISK["min_off_s"]) * 1_000_000_000
    assert brisk.release_for_ns == 4_000_000_000
    assert brisk.tank_permit_for_ns == 3_000_000_000
    assert brisk.shed_w == rules_of(EXAMPLE).shed_w
    assert tomllib.loads(brisk_text(EXAMPLE)).keys() == tomllib.loads(EXAMPLE).keys()
