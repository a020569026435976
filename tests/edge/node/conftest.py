"""What tests of a stream share."""

from __future__ import annotations

import pytest

import edge.node.stream


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is slow is no source that is silent."""
    monkeypatch.setattr(edge.node.stream, "STALL_S", 1e9)
