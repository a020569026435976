"""What tests of whole trainings share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture
def one_thread() -> Iterator[None]:
    """With one thread a sum has one order, so that a training can be compared with itself."""
    import torch  # here: this file is read where there is none, too

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
