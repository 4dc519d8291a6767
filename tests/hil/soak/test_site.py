"""The example's own words, as a soak changes them."""

import tomllib

from hil.soak.site import BRISK, DOCS, NOT_YET, brisk_text, rules_of, supported_text

EXAMPLE = (DOCS / "site.example.toml").read_text(encoding="utf-8")


def test_what_is_not_yet_supported_is_left_out_and_nothing_else() -> None:
    site, example = tomllib.loads(supported_text(EXAMPLE)), tomllib.loads(EXAMPLE)

    gone = {key for key in example if key not in site}
    assert gone == {"ride_through", "enter_service", "maintenance"}
    for table in ("circuit", "link", "meter", "plc", "miners", "gpus", "contactor"):
        for was, now in zip(example[table], site[table], strict=True):
            assert {key for key in was if key not in now} <= set(NOT_YET)
    assert {rule["id"] for rule in example["rule"]} - {rule["id"] for rule in site["rule"]} == {"offline"}


def test_the_judges_figures_are_the_examples() -> None:
    rules = rules_of(supported_text(EXAMPLE))

    assert (rules.limit_w, rules.shed_w, rules.shed_below_hz) == (4_000_000.0, 900_000.0, 59.7)
    assert rules.release_for_ns == 900_000_000_000
    assert rules.min_off_ns == 300_000_000_000


def test_a_brisk_site_has_short_times_and_the_same_keys() -> None:
    text = supported_text(EXAMPLE)
    brisk = rules_of(brisk_text(text))

    assert brisk.min_off_ns == int(BRISK["min_off_s"]) * 1_000_000_000
    assert brisk.release_for_ns == 4_000_000_000
    assert brisk.tank_permit_for_ns == 3_000_000_000
    assert brisk.shed_w == rules_of(text).shed_w
    assert tomllib.loads(brisk_text(text)).keys() == tomllib.loads(text).keys()
