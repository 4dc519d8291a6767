"""Whatsminer's cryptography against published values, and what its answers mean."""

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from drivers.errors import Garbled
from drivers.miners.dialect import Account, Secret
from drivers.miners.md5crypt import md5crypt
from drivers.miners.whatsminer import WhatsminerDialect, WhatsminerSeen, envelope, opened, token_of
from drivers.miners.whatsminer_v3 import WhatsminerV3Dialect, framed
from drivers.miners.whatsminer_v3 import token_of as token_of_v3

KEY, SIGN = "WssMFDgz6KlzbAfbu9Jph/", ".8Wiv910uBxIJcqnY6BFC."
DIALECT = WhatsminerDialect(account=Account(password=Secret("my-auth-password")))
SEEN = WhatsminerSeen(key=KEY, sign=SIGN)


def test_key_and_sign_of_the_published_token_come_out() -> None:
    """MicroBT's API manual: get_token's time 6915, salt BQ5hoXV9, newsalt a5TtWui2, password my-auth-password."""
    assert token_of("6915", "BQ5hoXV9", "a5TtWui2", "my-auth-password") == (KEY, SIGN)


@pytest.mark.parametrize(
    ("password", "hashed"),
    [
        ("a", "t.TxAQsiyZjRFJ4wsZ89e1"),
        ("admin", "RxmaDUO33TS7O26yeMHZ81"),
        ("p" * 15, "mGGuEQOS8KQrJQF7Jc7JQ."),
        ("p" * 16, "GB/qK0/LgXEGmZgAKBl5Y/"),
        ("p" * 17, "QA2lInvlTEkmAGST0nmj4/"),
        ("ünï", "0vz/gmVHv4PWeUoXTYF/O."),
        ("x" * 64, "zirNlNNnWGA8DNj4Jhq6l."),
    ],
)
def test_md5crypt_is_openssls(password: str, hashed: str) -> None:
    """Made with openssl passwd -1 -salt BQ5hoXV9."""
    assert md5crypt(password, "BQ5hoXV9") == hashed


def test_a_verb_is_sealed_as_the_published_one() -> None:
    """The envelope of `reboot` under that token, re-derived with openssl enc -aes-256-ecb."""
    sealed = "MJV7XUNNUwcdojW1WvDrguoJ4Jd05ZIMAiOINboOTESntZQKCfEufFWD85OlIohvGB1cSXiCejkvXuMl3bS0Jw=="

    assert envelope({"cmd": "reboot", "token": SIGN}, KEY) == b'{"enc":1,"data":"' + sealed.encode() + b'"}'


def _sealed(plain: str) -> bytes:
    """An answer as the miner seals it."""
    made = Cipher(algorithms.AES(hashlib.sha256(KEY.encode()).digest()), modes.ECB()).encryptor()
    body = plain.encode() + b"\0" * (-len(plain) % 16)
    return b'{"enc":"' + base64.b64encode(made.update(body) + made.finalize()) + b'"}\0'


@pytest.mark.parametrize(
    ("code", "letter", "words", "outcome", "passes"),
    [
        (131, "S", "API command OK", "ok", False),
        (131, "S", "", "ok", False),
        (135, "E", "check token error", "refused", True),
        (136, "E", "token over max times", "refused", False),
        (45, "E", "can't access write cmd", "refused", False),
        (132, "E", "command error", "refused", False),
        (14, "E", "invalid cmd", "refused", False),
        (7, "S", "what is this", "garbled", False),
    ],
)
def test_an_answer_is_judged_by_its_code_sealed_or_plain(
    code: int, letter: str, words: str, outcome: str, passes: bool
) -> None:
    plain = f'{{"STATUS":"{letter}","When":1,"Code":{code},"Msg":"{words}","Description":"whatsminer v1.1"}}'

    for reply in (_sealed(plain), plain.encode()):
        verdict = DIALECT.decode_answer("off", reply, SEEN)
        assert (verdict.outcome, verdict.passes) == (outcome, passes)
        assert f"code {code}" in verdict.detail


@pytest.mark.parametrize("reply", [b'{"enc":"AAAA"}', b'{"enc":"%%%"}', b'{"enc":"' + b"A" * 64 + b'"}'])
def test_a_sealed_answer_that_does_not_open_is_garbled(reply: bytes) -> None:
    with pytest.raises(Garbled):
        opened(reply, KEY)


def test_the_published_v3_token_comes_out() -> None:
    assert token_of_v3("set.miner.service", "super", "Abc123xy", 1759800000) == "Cg2iuKaj"


def test_a_v3_frame_has_its_length_little_end_first() -> None:
    assert framed({"cmd": "get.device.info"}).raw == b'\x19\0\0\0{"cmd":"get.device.info"}'


@pytest.mark.parametrize(
    ("code", "outcome", "passes"),
    [(0, "ok", False), (-1, "refused", False), (-2, "refused", True), (-4, "refused", False)],
)
def test_a_v3_answer_is_judged_by_its_code(code: int, outcome: str, passes: bool) -> None:
    verdict = WhatsminerV3Dialect().decode_answer("off", b'{"code":%d,"when":1,"msg":"","desc":"x"}' % code)

    assert (verdict.outcome, verdict.passes) == (outcome, passes)
