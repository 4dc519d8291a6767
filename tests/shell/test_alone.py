"""Two agents on one state folder would write one journal."""

from pathlib import Path

import pytest

from agent.shell.alone import alone_in


def test_a_second_one_is_refused_by_name_until_the_first_has_gone(tmp_path: Path) -> None:
    with alone_in(tmp_path):
        with pytest.raises(OSError, match="another agent runs on this folder") as refused, alone_in(tmp_path):
            pass
        assert refused.value.filename == str(tmp_path / "lock")

    with alone_in(tmp_path):
        pass
