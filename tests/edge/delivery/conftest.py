"""What the tests of the outbox and of its file share."""

from __future__ import annotations

import logging

import pytest


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    """What the log says."""
    monkeypatch.setattr(logging.getLogger("edge"), "propagate", True)
    caplog.set_level(logging.INFO, "edge")
    return caplog
