"""tag, untag, local, ack, release: what is asked over a real Unix socket, and what a person is told."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.__main__ import main
from agent.local.status import SOCKET_NAME, Question, StatusServer
from tests.config.sites import changed, written
from tests.e2e.cli.test_asking import answering, line

DONE = {"ok": True, "done": "kim tagged hall (60 loads): fan service"}
BY = ("--by", "kim", "--why", "fan service")


@pytest.mark.parametrize(
    ("words", "question"),
    [
        (("tag", "hall"), {"ask": "tag", "target": "hall"}),
        (("untag", "hall"), {"ask": "untag", "target": "hall"}),
        (("local", "a-east"), {"ask": "local", "target": "a-east"}),
        (("local", "a-east", "--leave"), {"ask": "local", "target": "a-east", "leave": True}),
        (("ack", "tank-a"), {"ask": "ack", "target": "tank-a"}),
        (("release", "a/10.20.1.17"), {"ask": "release", "target": "a/10.20.1.17"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_each_verb_asks_one_line_with_who_and_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], question: dict[str, Any]
) -> None:
    with answering(tmp_path / "s", line(DONE)) as asked:
        code = main([*words, *BY, "--socket", str(tmp_path / "s")])

    assert (code, capsys.readouterr().out) == (0, "kim tagged hall (60 loads): fan service\n")
    assert [json.loads(said) for said in asked] == [{**question, "by": "kim", "why": "fan service"}]


def test_the_answer_as_json_and_the_socket_by_the_site_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = written(tmp_path, changed(("nominal_hz", 'state_dir = "."\nnominal_hz')))

    with answering(tmp_path / SOCKET_NAME, line(DONE)):
        code = main(["tag", "hall", *BY, "--json", "--site", str(site)])

    assert (code, json.loads(capsys.readouterr().out)) == (0, DONE)


def test_what_is_refused_is_told_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with answering(tmp_path / "s", line({"error": "nothing is called 'hal'"})):
        code = main(["tag", "hal", *BY, "--socket", str(tmp_path / "s")])

    printed = capsys.readouterr()
    assert (code, printed.out) == (1, "")
    assert printed.err == "ballast tag: the agent answered: nothing is called 'hal'\n"


def test_a_site_file_with_faults_ends_with_78(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = written(tmp_path, changed(("limit_kw = 400", "limit_kw = 0")))

    assert main(["ack", "tank", *BY, "--site", str(site)]) == 78
    assert "limit_kw = 0: too low" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [("tag", "hall"), ("tag", "--by", "kim", "--why", "x"), ("tag", "hall", "--by", "kim")]
)
def test_nobody_does_anything_without_name_and_reason(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)

    assert ended.value.code == 2
    assert "required" in capsys.readouterr().err


def test_only_local_is_left_again_by_its_own_verb(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["tag", "hall", *BY, "--leave"])

    assert "unrecognized arguments: --leave" in capsys.readouterr().err


def test_others_are_answered_while_one_waits_for_the_disk(tmp_path: Path) -> None:
    async def story() -> None:
        durable = asyncio.Event()

        async def tag(question: Question) -> object:
            await durable.wait()
            return {"ok": True}

        answers: dict[str, Callable[[Question], object]] = {"tag": tag, "status": lambda question: {"mode": "NORMAL"}}
        server = await StatusServer.open(tmp_path / "s", answers)
        tagging, tagger = await asyncio.open_unix_connection(tmp_path / "s")
        tagger.write(b'{"ask":"tag"}\n')
        reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
        writer.write(b'{"ask":"status"}\n')

        assert await reader.readline() == b'{"mode":"NORMAL"}\n'
        durable.set()
        assert await tagging.readline() == b'{"ok":true}\n'
        for one in (tagger, writer):
            one.close()
            await one.wait_closed()
        await server.close()

    asyncio.run(story())
