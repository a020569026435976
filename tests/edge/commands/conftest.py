"""The command in the process of the test, for what needs no process of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from edge.commands.app import main


@pytest.fixture
def mistake(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The one line that a mistake gives; nothing stands before it."""
    monkeypatch.setitem(sys.modules, "scipy", sys.modules.get("scipy"))  # the command keeps scipy out for good

    def line(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["laennec", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert (ended.value.code, out) == (2, "")
        lines = err.strip().splitlines()
        assert len(lines) == 1, err
        assert lines[0].startswith("laennec: ")
        return lines[0]

    return line
