"""What lets us into miners: read from where site.toml says, never out of it, and shown nowhere."""

from pathlib import Path

import pytest

from agent.config import ConfigErrors, load
from agent.config.passwords import PasswordError, read_passwords
from agent.translate import translate
from drivers.miners.dialect import Account, Secret
from tests.config.sites import changed, written

WITH = 'family = "avalon"\npassword = "{}"'


def _site(tmp_path: Path, password: str) -> Path:
    return Path(written(tmp_path, changed(('family = "avalon"', WITH.format(password)))))


def test_a_password_is_a_file_beside_site_toml_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "miners.pw").write_text("s3cret word\r\n")
    file = load(_site(tmp_path, "miners.pw"))

    passwords = read_passwords(file)

    assert list(passwords.values()) == ["s3cret word"]
    assert "s3cret" not in repr(passwords)
    assert "s3cret" not in repr(Account("root", Secret("s3cret")))
    assert "s3cret" not in repr(translate(file, {}, passwords))


def test_a_password_is_a_credential_of_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "miners-a").write_text("s3cret")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))

    assert list(read_passwords(load(_site(tmp_path, "credential:miners-a"))).values()) == ["s3cret"]


@pytest.mark.parametrize(
    ("password", "told"),
    [
        ("none.pw", "No such file or directory; put the password alone into"),
        ("two.pw", "holds more than a password; put it there alone, on one line"),
        ("credential:miners-a", "/run/credentials/ballast-agent.service/miners-a: No such file or directory; put the"),
    ],
)
def test_a_password_that_cannot_be_read_says_where_and_how_to_mend_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str, told: str
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    (tmp_path / "two.pw").write_text("s3cret\nanother\n")

    with pytest.raises(PasswordError) as caught:
        read_passwords(load(_site(tmp_path, password)))

    assert told in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_credential_cannot_name_a_file_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match="not the name of a credential"):
        load(_site(tmp_path, "credential:../miners.pw"))
