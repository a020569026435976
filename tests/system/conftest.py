"""Whatever lies here is marked `rest`: `make test-rest` runs it, before the other tests that it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before pytest looks at the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark them; one of minutes would else be the last that several processes wait for."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.rest)
    items.sort(key=lambda item: HERE not in item.path.parents)
