"""Files beside site.toml, elsewhere, and among the service's credentials."""

from pathlib import Path

import pytest

from agent.config import load
from tests.config.sites import changed, faults_of, written

KEYS = ("[mqtt]", '[keys]\nagent = "credential:agent-key"\nkeyring = "ring.json"\n[mqtt]')


def test_a_credential_lies_where_systemd_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/other.service")

    keys = load(written(tmp_path, changed(KEYS))).keys

    assert keys.agent == "/run/credentials/other.service/agent-key"
    assert keys.keyring == str(tmp_path / "ring.json")


def test_outside_the_service_it_is_the_folder_that_the_service_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)

    assert load(written(tmp_path, changed(KEYS))).keys.agent == "/run/credentials/ballast-agent.service/agent-key"


@pytest.mark.parametrize("name", ["", "../shadow", "a/b", "x" * 65])
def test_a_name_that_could_be_none_is_refused(tmp_path: Path, name: str) -> None:
    (fault,) = faults_of(written(tmp_path, changed((KEYS[0], KEYS[1].replace("agent-key", name)))))

    assert "not the name of a credential; write the name that the unit gives it" in str(fault)
