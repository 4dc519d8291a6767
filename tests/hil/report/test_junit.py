"""JUnit XML keeps to the schema that Jenkins' xUnit plug-in checks (junit-10.xsd), written out here as a table."""

import re
from xml.etree import ElementTree

from hil.report.junit import junit
from tests.hil.report.cases import a_run
from tests.hil.report.test_run import a_hostile_run

# element: attributes that must be there, that may be there, children
_SCHEMA: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": (set(), {"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors"},
        {"time", "skipped", "timestamp", "hostname", "id", "package"},
        {"properties", "testcase", "system-out", "system-err"},
    ),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, set(), set()),
    "testcase": ({"name"}, {"time", "classname"}, {"skipped", "error", "failure", "system-out", "system-err"}),
    "skipped": (set(), {"type", "message"}, set()),
    "error": (set(), {"type", "message"}, set()),
    "failure": (set(), {"type", "message"}, set()),
    "system-out": (set(), set(), set()),
}
_TIME = re.compile(r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?")  # SUREFIRE_TIME


def _schema_faults(element: ElementTree.Element) -> list[str]:
    must, may, children = _SCHEMA[element.tag]
    given = set(element.attrib)
    found = [f"{element.tag} lacks {name}" for name in must - given]
    found += [f"{element.tag} has {name}" for name in given - must - may]
    found += [f"{element.tag} holds {child.tag}" for child in element if child.tag not in children]
    if not _TIME.fullmatch(element.get("time", "0")):
        found.append(f"time {element.get('time')}")
    return found + [fault for child in element if child.tag in _SCHEMA for fault in _schema_faults(child)]


def test_a_run_keeps_to_the_schema() -> None:
    root = ElementTree.fromstring(junit(a_run()))

    assert _schema_faults(root) == []
    assert root.tag == "testsuites"


def test_each_verdict_is_what_a_ci_server_calls_it() -> None:
    root = ElementTree.fromstring(junit(a_run()))

    suite = root.find("testsuite")
    assert suite is not None
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "1",
        "errors": "1",
        "skipped": "1",
    }
    assert suite.get("timestamp") == "2026-01-31T12:00:00"
    outcomes = {case.get("name"): next(child.tag for child in case) for case in suite.iter("testcase")}
    assert outcomes == {
        "under-frequency": "system-out",
        "meter-freezes": "failure",
        "genset-trips": "error",
        "packet-loss": "skipped",
    }


def test_a_failure_names_the_expectation_that_is_broken() -> None:
    failure = next(ElementTree.fromstring(junit(a_run())).iter("failure"))

    assert failure.get("message") == "alarm within 0.5 s: none"
    assert "an alarm names the meter: expected within 0.5 s; seen none in 30 s" in (failure.text or "")


def test_hostile_names_leave_it_readable() -> None:
    root = ElementTree.fromstring(junit(a_hostile_run()))

    assert _schema_faults(root) == []
    assert "<script" in (next(root.iter("failure")).text or "")
