"""Which retained topics of a node's streams must go from the broker."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.delivery.retained import RetainedTopics


def test_a_stream_that_was_removed_is_named_until_the_broker_was_told(tmp_path: Path) -> None:
    path = tmp_path / "retained.json"
    assert RetainedTopics(path).begin(["s/a", "s/b"]) == []
    assert RetainedTopics(path).begin(["s/a"]) == ["s/b"]
    assert RetainedTopics(path).begin(["s/a"]) == ["s/b"]  # the one before was killed, or its broker was away
    RetainedTopics(path).store(["s/a"])
    assert RetainedTopics(path).begin(["s/a"]) == []
    assert RetainedTopics(path).begin(["s/a", "s/b"]) == []


@pytest.mark.parametrize("content", [b"", b"\xff", b"{}", b"[1, null]", b'"s/a"', b'["s/a\\u0001"]'])
def test_a_damaged_file_names_nothing_and_is_made_again(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "retained.json"
    path.write_bytes(content)
    assert RetainedTopics(path).begin(["s/a"]) == []
    assert RetainedTopics(path).begin([]) == ["s/a"]


def test_a_disk_that_cannot_be_written_does_not_stop_the_node(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "none").touch()  # no folder
    assert RetainedTopics(tmp_path / "none" / "retained.json").begin(["s/a"]) == []
    assert "cannot be written" in caplog.text
