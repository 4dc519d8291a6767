"""A run as JUnit XML, as Jenkins and GitLab read it: one suite, one case a scenario.

There is no standard; the nearest is the schema of Jenkins' xUnit plug-in (junit-10.xsd), to which this keeps, and
GitLab reads the same. What could not run here is `skipped`, with its reason. Times stand without a zone, in UTC.
"""

from pathlib import PurePath
from xml.etree import ElementTree

from hil.markup import clean
from hil.results import RunResult, ScenarioResult, Verdict

_OUTCOMES = {Verdict.FAILED: "failure", Verdict.ERROR: "error", Verdict.NOT_RUNNABLE: "skipped"}


def junit(run: RunResult) -> bytes:
    """The whole file, in UTF-8."""
    counts = {
        "tests": str(len(run.scenarios)),
        "failures": str(run.count(Verdict.FAILED)),
        "errors": str(run.count(Verdict.ERROR)),
    }
    root = _element("testsuites", {"name": "ballast-hil", **counts, "time": f"{run.wall_s:.3f}"})
    suite = _element(
        "testsuite",
        {
            "name": run.rig,
            **counts,
            "skipped": str(run.count(Verdict.NOT_RUNNABLE)),
            "time": f"{run.wall_s:.3f}",
            "timestamp": run.started_utc.removesuffix("Z"),
        },
    )
    root.append(suite)
    properties = _element("properties", {})
    for name, value in [("seed", str(run.seed)), ("real", ", ".join(run.rig_real)), *sorted(run.environment.items())]:
        properties.append(_element("property", {"name": name, "value": value}))
    suite.append(properties)
    suite.extend(_case(run, one) for one in run.scenarios)
    ElementTree.indent(root)
    data: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return data


def _case(run: RunResult, one: ScenarioResult) -> ElementTree.Element:
    case = _element("testcase", {"classname": f"ballast-hil.{run.rig}", "name": one.name, "time": f"{one.wall_s:.3f}"})
    outcome = _OUTCOMES.get(one.verdict)
    if outcome == "skipped":
        case.append(_element(outcome, {"message": one.why}))
    elif outcome is not None:
        broken = [expectation for expectation in one.expectations if not expectation.ok]
        lines = [
            f"{expectation.text}: expected {expectation.expected}; seen {expectation.seen}" for expectation in broken
        ]
        case.append(_element(outcome, {"message": one.why, "type": one.verdict.value}, "\n".join([one.why, *lines])))
    said = [f"{one.title} ({PurePath(one.file).name}, seed {one.seed})", f"stands for: {one.stands_for}"]
    said += [f"{'holds' if each.ok else 'BROKEN'}: {each.text}; seen {each.seen}" for each in one.expectations]
    case.append(_element("system-out", {}, "\n".join(said)))
    return case


def _element(tag: str, attributes: dict[str, str], inside: str | None = None) -> ElementTree.Element:
    element = ElementTree.Element(tag, {name: clean(value) for name, value in attributes.items()})
    element.text = None if inside is None else clean(inside)
    return element
