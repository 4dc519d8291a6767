"""What the status socket answers to a line; the socket itself is in tests/e2e/shell/test_status_socket.py."""

import json
from pathlib import Path

from agent.local.status import StatusServer


def server() -> StatusServer:
    return StatusServer(Path("/nowhere"), {"status": lambda question: {"mode": "NORMAL", "asked": question.get("of")}})


def test_a_question_is_answered_by_its_row_in_the_table_on_one_line() -> None:
    answer = server().answer(b'{"ask":"status","of":"poi"}\n')

    assert json.loads(answer) == {"mode": "NORMAL", "asked": "poi"}
    assert (answer.count(b"\n"), answer[-1:]) == (1, b"\n")


def test_what_is_no_question_is_refused_with_the_mend() -> None:
    for line in (b"\n", b"status\n", b"[]\n", b"\xff\xfe\n", b'{"ask":'):
        assert '{"ask":"status"}' in json.loads(server().answer(line))["error"]


def test_an_unknown_question_names_the_known_ones() -> None:
    for line in (b'{"ask":"raise"}\n', b'{"ask":["status"]}\n', b"{}\n"):
        assert json.loads(server().answer(line))["error"].endswith("known: status")
