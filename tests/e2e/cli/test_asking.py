"""Asking a running agent over a real Unix socket, and the command as its own process."""

import json
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.__main__ import main
from agent.local.status import SOCKET_NAME
from tests.config.sites import changed, written

ROOT = Path(__file__).parents[3]
STATUS = {
    "site": "demo",
    "agent": "ctl-1",
    "control": "observe",
    "ladder": [{"load": "a/1", "step": "off", "watts": 7}],
}


@contextmanager
def answering(path: Path, answer: bytes) -> Iterator[list[bytes]]:
    """An agent's socket that answers any question with the same bytes; what it was asked is in the list."""
    asked: list[bytes] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            asked.append(self.rfile.readline())
            self.wfile.write(answer)

    with socketserver.ThreadingUnixStreamServer(str(path), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.02,))
        serving.start()
        try:
            yield asked
        finally:
            server.shutdown()
            serving.join()


def line(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"


def test_status_asks_one_line_and_prints_what_it_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with answering(tmp_path / "s", line(STATUS)) as asked:
        code = main(["status", "--socket", str(tmp_path / "s"), "--json"])

    assert (code, json.loads(capsys.readouterr().out)) == (0, STATUS)
    assert [json.loads(question) for question in asked] == [{"ask": "status"}]


def test_status_finds_the_socket_by_the_site_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = written(tmp_path, changed(("nominal_hz", 'state_dir = "."\nnominal_hz')))

    with answering(tmp_path / SOCKET_NAME, line(STATUS)):
        code = main(["status", "--site", str(site)])

    assert code == 0
    assert capsys.readouterr().out.startswith("demo, agent ctl-1: observe")


def test_check_live_prints_the_running_agents_ladder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = written(tmp_path, changed(("nominal_hz", 'state_dir = "."\nnominal_hz')))

    with answering(tmp_path / SOCKET_NAME, line(STATUS)):
        code = main(["check", "--live", str(site)])

    printed = capsys.readouterr().out
    assert code == 0
    assert "Ladder, next to be shed first (kW now)" in printed
    assert "Circuits (kW" in printed


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"", "the agent closed the connection without a whole answer"),
        (b'{"site": "de', "the agent closed the connection without a whole answer"),
        (b"[]\n", "something that is no status"),
        (line({"error": "16 clients are served already; close one"}), "the agent answered: 16 clients are served"),
    ],
)
def test_an_answer_that_is_none_is_told_and_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], answer: bytes, expected: str
) -> None:
    with answering(tmp_path / "s", answer):
        code = main(["status", "--socket", str(tmp_path / "s")])

    printed = capsys.readouterr()
    assert (code, printed.out) == (1, "")
    assert expected in printed.err


def test_no_agent_is_told_with_where_it_was_looked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["status", "--socket", str(tmp_path / "none")])

    assert code == 1
    assert f"no agent answers ({tmp_path}/none: No such file or directory)" in capsys.readouterr().err


def ballast(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agent", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **more,
    )


def test_check_as_a_process_ends_with_78_and_every_fault_on_its_own_line(tmp_path: Path) -> None:
    done = ballast("check", str(written(tmp_path, changed(("limit_kw = 400", "limit_kw = 0"), ("rated_w", "rated")))))

    assert done.returncode == 78
    assert len(done.stdout.splitlines()) == 3


@pytest.mark.parametrize(
    ("words", "not_needed"),
    [
        (["--version"], {"agent.config", "drivers", "aiomqtt", "pymodbus", "cryptography", "uvloop", "rich"}),
        (["schema"], {"agent.app", "aiomqtt", "pymodbus", "cryptography", "uvloop", "rich"}),
        (["check", "SITE"], {"agent.app", "aiomqtt", "cryptography", "uvloop", "rich"}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)  # fmt: skip
def test_a_subcommand_imports_no_library_that_it_does_not_need(
    tmp_path: Path, words: list[str], not_needed: set[str]
) -> None:
    program = (
        "import sys; from agent.__main__ import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print(*sorted(sys.modules))"
    )
    words = [str(written(tmp_path)) if word == "SITE" else word for word in words]

    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip

    assert not_needed & set(done.stdout.splitlines()[-1].split()) == set()


def test_a_reader_that_has_enough_is_no_traceback(tmp_path: Path) -> None:
    site = written(
        tmp_path, changed(('"127.1.0.1-127.1.0.60"', '"127.1.0.1-127.1.39.0"'), ("limit_kw = 400", "limit_kw = 900"))
    )

    done = subprocess.run(
        f"'{sys.executable}' -m agent check --json '{site}' | head -c 10",
        cwd=ROOT, shell=True, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert (done.stdout, done.stderr) == ('{\n  "file"', "")
