"""Weighing and timing an artefact; what is no artefact is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import ConfigError
from training.results.latency import processor, time_artefact

DEFAULT = Path(__file__).parents[3] / "edge" / "models" / "default.onnx"


def test_the_default_artefact_is_weighed_and_timed() -> None:
    timed = time_artefact(DEFAULT)
    assert timed.size_bytes == DEFAULT.stat().st_size
    assert 0 < timed.fastest_ms <= timed.median_ms
    assert timed.weights is not None
    assert 0 < timed.chunk_s < timed.lookahead_s


@pytest.mark.parametrize("content", [b"", b"no graph", None])
def test_what_is_no_artefact_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(DEFAULT.read_bytes()[:5000] if content is None else content)
    with pytest.raises(ConfigError, match=r"model\.onnx: not an artefact of this project"):
        time_artefact(path)


@pytest.mark.parametrize(
    ("cpuinfo", "shown"),
    [
        ("model name\t: AMD EPYC 7B13 64-Core Processor", "an EPYC"),
        ("model name\t: Intel(R) Xeon(R) CPU @ 2.20GHz", "a Xeon"),
        ("Serial\t\t: 10000000abcdef\ncpu cores : 2", "a processor of the kind "),
    ],
)
def test_a_processor_is_named_by_its_family_alone(cpuinfo: str, shown: str) -> None:
    assert processor(cpuinfo).startswith(shown)
    assert "7B13" not in processor(cpuinfo)
    assert "abcdef" not in processor(cpuinfo)
