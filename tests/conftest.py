"""What tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real recordings, named by LAENNEC_DATA or beside the repository; the test is skipped without it."""
    folder = Path(os.environ.get("LAENNEC_DATA") or Path(__file__).parents[1] / ".." / "shared" / "data").resolve()
    if not (folder / "sprsound").is_dir():
        pytest.skip(f"no real recordings in {folder}; set LAENNEC_DATA to their folder")
    return folder
