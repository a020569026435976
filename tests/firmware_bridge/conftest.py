"""What tests of the link share: auslink.h built by this machine's compiler."""

from __future__ import annotations

import ctypes

import pytest

from tests.firmware_bridge import auslink_c


@pytest.fixture(scope="session")
def auslink(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """auslink.h with Rice and seals as a shared library; the test is skipped without gcc."""
    if auslink_c.GCC is None:
        pytest.skip("needs gcc")
    return auslink_c.load(auslink_c.build(tmp_path_factory.mktemp("auslink"), "-O1"))
