"""What tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real recordings, named by LAENNEC_DATA or beside the repository; the test is skipped without it."""
    folder = Path(os.environ.get("LAENNEC_DATA") or Path(__file__).parents[1] / ".." / "shared" / "data").resolve()
    if not (folder / "sprsound").is_dir():
        pytest.skip(f"no real recordings in {folder}; set LAENNEC_DATA to their folder")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_tuned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What `laennec tune` kept for the user of this machine is not seen by tests, and theirs not by the user."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CACHE_DIRECTORY", str(tmp_path_factory.mktemp("cache")))
        yield
