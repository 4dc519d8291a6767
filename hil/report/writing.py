"""Everything that a run leaves for others to read: results.json, junit.xml and report.html, in the run's folder."""

import json
from pathlib import Path

from hil import results
from hil.report.junit import junit
from hil.report.run import run_page
from hil.results import RunResult, ScenarioResult

PAGE = "report.html"
JUNIT = "junit.xml"
RECORDS = "records"  # what ScenarioResult.files calls the file of signed records, JSON lines
_HELD_MAX = 500  # records of one scenario in the page; the file has them all


def write_reports(run: RunResult, folder: Path) -> list[Path]:
    """Writes them beside the scenarios' own files; their paths, the page first."""
    page, xml = folder / PAGE, folder / JUNIT
    page.write_text(run_page(run, {one.name: _held(one, folder) for one in run.scenarios}), "utf-8")
    xml.write_bytes(junit(run))
    return [page, xml, results.save(run, folder)]


def _held(one: ScenarioResult, folder: Path) -> list[str]:
    """The event records, a line each; telemetry is in the file alone."""
    named = one.files.get(RECORDS)
    if named is None or not (folder / named).is_file():
        return []
    lines = (folder / named).read_text("utf-8", errors="replace").splitlines()
    return [line for line in lines if _is_event(line)][:_HELD_MAX]


def _is_event(line: str) -> bool:
    try:
        record = json.loads(line)
    except ValueError:
        return True  # cut off by a crash, perhaps: worth a look
    return not isinstance(record, dict) or not str(record.get("channel", "evt")).startswith(("tele/", "schema"))
