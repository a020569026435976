"""Paths in the settings: what is one, and what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.settings.config import parse_config


def source_of(text: str, folder: Path | None) -> str:
    return parse_config({"streams": [{"id": "a", "source": text}]}, "x", folder).streams[0].source


@pytest.mark.parametrize("name", ["mic", "mic:USB", "link:chest", "-"])
@pytest.mark.parametrize("folder", [None, Path()])
def test_a_file_that_is_called_as_another_source_stays_a_file(name: str, folder: Path | None, tmp_path: Path) -> None:
    assert source_of(f"./{name}", folder) == f"./{name}"
    assert source_of(f"./{name}", tmp_path) == str(tmp_path / name)


@pytest.mark.parametrize("source", ["mic", "mic:./a", "-"])
def test_what_is_no_file_is_no_path(source: str, tmp_path: Path) -> None:
    assert source_of(source, tmp_path) == source
