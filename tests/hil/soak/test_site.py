"""The example's own words, as a soak changes them."""

import tomllib

from hil.soak.site import BRISK, DOCS, brisk_text, rules_of, supported_text

EXAMPLE = (DOCS / "site.example.toml").read_text(encoding="utf-8")


SITE = """\
[site]
id = "a"
islanded_when = "q"

[[circuit]]
id = "poi"
jump_down_kw = { tied = 4000, island = 300 }

[[rule]]
id = "later"
kind = "later"

[ride_through]            # a curve
curve = [[0.0, 150]]

[[miners]]
id = "m"
"""
TOLD = """\
site.toml:3 [site] islanded_when = "q": not yet supported; take it out
site.toml:7 [[circuit]] "poi" jump_down_kw.island = 300: not yet supported; take it out
site.toml:9 [[rule]] "later": not yet supported; take the table out
site.toml:13 [ride_through]: not yet supported; take the table out
site.toml:17 [[miners]] "m" hosts: missing
"""


def test_what_check_calls_not_yet_supported_is_left_out_and_nothing_else() -> None:
    text, names = supported_text(SITE, TOLD)

    assert tomllib.loads(text) == {
        "site": {"id": "a"},
        "circuit": [{"id": "poi", "jump_down_kw": {"tied": 4000}}],
        "miners": [{"id": "m"}],
    }
    assert names == [
        "[site] islanded_when",
        '[[circuit]] "poi" jump_down_kw.island',
        '[[rule]] "later"',
        "[ride_through]",
    ]


def test_nothing_is_left_out_of_a_site_that_check_accepts() -> None:
    assert supported_text(SITE, "all is well\n") == (SITE, [])


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
