"""A run leaves its page, JUnit XML and results, and the page holds the events' records but not the telemetry."""

from pathlib import Path
from xml.etree import ElementTree

from hil import results
from hil.report.writing import write_reports
from tests.hil.report.cases import a_run
from tests.hil.report.reading import faults, parsed

_EVENT = '{"channel":"evt","body":{"k":"begin"}}'
_CUT_OFF = '{"channel":"evt","bo'


def test_everything_is_in_the_folder_and_can_be_read_back(tmp_path: Path) -> None:
    folder = tmp_path / "under-frequency"
    folder.mkdir()
    (folder / "records.jsonl").write_text(f'{{"channel":"tele/main","body":{{}}}}\n{_EVENT}\n{_CUT_OFF}', "utf-8")

    page, xml, saved = write_reports(a_run(), tmp_path)

    made = page.read_text("utf-8")
    assert faults(made) == []
    assert [pre.text for pre in parsed(made).iter("pre")] == [_EVENT, _CUT_OFF]
    assert ElementTree.fromstring(xml.read_bytes()).tag == "testsuites"
    assert results.load(saved) == a_run()


def test_records_that_are_not_there_leave_a_page_without_them(tmp_path: Path) -> None:
    page, _, _ = write_reports(a_run(), tmp_path)

    assert list(parsed(page.read_text("utf-8")).iter("pre")) == []
