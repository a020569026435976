"""The script `deploy/mosquitto/setup`, and what it needs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conftest import HANGS_S

SETUP = Path(__file__).parents[2] / "deploy" / "mosquitto" / "setup"
needs_mosquitto = pytest.mark.needs("openssl", "mosquitto_passwd")


def setup(folder: Path, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    line = [str(SETUP), command, "--dir", str(folder), *arguments]
    return subprocess.run(line, capture_output=True, text=True, timeout=HANGS_S)
