"""What the status socket answers to a line; the socket itself is in tests/e2e/shell/test_status_socket.py."""

import asyncio
import json
from pathlib import Path
from typing import Any

from agent.local.status import Question, StatusServer


async def tag(question: Question) -> object:
    await asyncio.sleep(0)
    return {"ok": True, "done": f"{question['by']} tagged {question['target']}"}


ANSWERS = {"status": lambda question: {"mode": "NORMAL", "asked": question.get("of")}, "tag": tag}


def answered(line: bytes) -> bytes:
    return asyncio.run(StatusServer(Path("/nowhere"), ANSWERS).answer(line))


def said(line: bytes) -> Any:
    return json.loads(answered(line))


def test_a_question_is_answered_by_its_row_in_the_table_on_one_line() -> None:
    answer = answered(b'{"ask":"status","of":"poi"}\n')

    assert json.loads(answer) == {"mode": "NORMAL", "asked": "poi"}
    assert (answer.count(b"\n"), answer[-1:]) == (1, b"\n")


def test_an_answer_that_takes_its_time_is_waited_for() -> None:
    assert said(b'{"ask":"tag","target":"poi","by":"kim"}\n') == {"ok": True, "done": "kim tagged poi"}


def test_what_is_no_question_is_refused_with_the_mend() -> None:
    for line in (b"\n", b"status\n", b"[]\n", b"\xff\xfe\n", b'{"ask":'):
        assert '{"ask":"status"}' in said(line)["error"]


def test_an_unknown_question_names_the_known_ones() -> None:
    for line in (b'{"ask":"raise"}\n', b'{"ask":["status"]}\n', b"{}\n"):
        assert said(line)["error"].endswith("known: status, tag")
