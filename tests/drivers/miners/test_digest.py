"""HTTP digest: the RFCs' own examples, and challenges as servers write them."""

import pytest

from drivers.miners.dialect import Account, Secret
from drivers.miners.digest import Challenge, authorization, challenge_of
from drivers.miners.http import HttpReply


def _asked(line: str) -> HttpReply:
    return HttpReply(401, f"Server: lighttpd\nWWW-Authenticate: {line}", b"")


def test_a_challenge_is_read_with_and_without_quotes() -> None:
    line = 'Digest realm="antMiner Configuration", nonce="67a1:9f", qop="auth", algorithm=MD5, opaque="o"'

    assert challenge_of(_asked(line)) == Challenge("antMiner Configuration", "67a1:9f", "auth", "o", "MD5")


@pytest.mark.parametrize(
    "line", ['Basic realm="x"', 'Digest realm="x"', 'Digest nonce="a", algorithm=FOO', 'Digest nonce="a\x01"']
)
def test_what_cannot_be_answered_is_no_challenge(line: str) -> None:
    assert challenge_of(_asked(line)) is None


def test_the_example_of_rfc_2069_without_qop_gives_its_response() -> None:
    """RFC 2617, 3.5's credentials without qop: the response as openssl gives it, by hand."""
    asked = Challenge("testrealm@host.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093", "")
    line = authorization(asked, Account("", Secret("Circle Of Life")), "Mufasa", "GET", "/dir/index.html")

    assert 'response="670fd8c2df070c60b045671b8b24ff02"' in line
    assert "qop" not in line


def test_the_same_state_gives_the_same_bytes_and_a_higher_count_others() -> None:
    account = Account("", Secret("root"))
    first = Challenge("r", "n", "auth", count=1)

    lines = {authorization(first, account, "root", "GET", "/a") for _ in range(2)}
    second = authorization(Challenge("r", "n", "auth", count=2), account, "root", "GET", "/a")

    assert len(lines) == 1
    assert "nc=00000001" in lines.pop()
    assert "nc=00000002" in second
    assert "root" not in second.replace('username="root"', "")
