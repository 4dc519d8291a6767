"""The page of a soak shows what grew, when, and how many faults there were."""

from hil import page
from hil.plot import Span
from hil.report.soak import SoakSample, soak_page
from tests.hil.report.reading import faults, parsed, words


def _samples() -> list[SoakSample]:
    return [
        SoakSample(
            at_s=at_s,
            program=program,
            rss_bytes=50 * 1024 * 1024 + round(at_s) * 1000,
            descriptors=120,
            disk_bytes=4096,
            latency_p50_ms=12.0 if round(at_s) % 30 == 0 and program == "agent" else None,
            latency_p99_ms=44.0 if round(at_s) % 30 == 0 and program == "agent" else None,
        )
        for at_s in [10.0 * index for index in range(271)]
        for program in ("agent", "gpud")
    ]


def test_a_soak_is_a_page_with_its_plots_and_verdicts() -> None:
    checks = [
        page.check(ok=True, what="memory does not grow", detail="0.1 MiB an hour"),
        page.check(ok=False, what="disk"),
    ]
    mischief = [Span(60.0, 90.0, "silent meter"), Span(80.0, 200.0, "broker gone"), Span(900.0, 9999.0, "silent meter")]

    made = soak_page(_samples(), title="Soak of 45 min", checks=checks, faults=mischief, note="seed 7")

    said = words(made)
    assert faults(made) == []
    assert "1 of 2 do not hold" in said
    for title in (
        "Resident memory, MiB",
        "Open descriptors, number",
        "Reaction, ms",
        "Disk used, MiB",
        "gpud",
        "40 min",
    ):
        assert title in said
    labels = [svg.get("aria-label", "") for svg in parsed(made).iter("svg")]
    assert "Faults in force, number, from 0 to 2700 s. faults: 0 to 2, 0 at the end." in labels


def test_a_soak_without_a_sample_is_still_a_page() -> None:
    made = soak_page([], title="Soak", checks=[], note="ended at once")

    assert faults(made) == []
