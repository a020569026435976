"""What `make test-aarch64` concludes; the emulation itself takes many minutes and is run by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy.devices import DeployError
from tests.system.aarch64 import emulated
from tests.system.aarch64.compare import compare
from tests.system.aarch64.emulated import Debian, Emulated, make_root


def _listing(wheeze: float = 0.5, onset_s: float = 0.32, score: float = 0.9, frames: int = 3) -> str:
    scores = {"wheeze": wheeze, "breath": 0.25}
    records = [{"file": "a", "t_s": i * 0.032, "dur_s": 0.032, "valid": True, "scores": scores} for i in range(frames)]
    event = {"label": "wheeze", "onset_s": onset_s, "end_s": 1.0, "score": score, "mean": 0.7, "threshold": 0.3}
    return "\n".join(json.dumps(each) for each in [*records, {**event, "file": "a", "end_reason": "quiet"}])


def test_a_listing_is_like_itself() -> None:
    comparison = compare(_listing(), _listing())
    assert (comparison.passed, comparison.frames, comparison.events, comparison.largest_difference) == (True, 3, 1, 0.0)


def test_scores_may_differ_a_little() -> None:
    comparison = compare(_listing(), _listing(wheeze=0.50009))
    assert comparison.passed
    assert comparison.largest_difference == pytest.approx(9e-5)


@pytest.mark.parametrize("other", [_listing(wheeze=0.5002), _listing(onset_s=0.352), _listing(score=0.9002)])
def test_a_larger_difference_or_another_event_fails(other: str) -> None:
    assert not compare(_listing(), other).passed


def test_an_event_more_or_less_fails() -> None:
    alone = "\n".join(_listing().splitlines()[:-1])
    assert not compare(_listing(), alone).events_equal
    assert not compare(alone, _listing()).events_equal


def test_nothing_heard_is_not_passed() -> None:
    assert not compare("", "").passed


def test_other_frames_are_not_compared() -> None:
    with pytest.raises(DeployError) as caught:
        compare(_listing(), _listing(frames=2))
    assert "expected the same 3 score frames, found 2 others" in str(caught.value)


def test_what_is_missing_here_is_named_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulated, "PACKAGES", {"no-such-program": "a-package"})
    with pytest.raises(DeployError, match="apt-get install a-package"):
        make_root(tmp_path, Debian("http://mirror.example", "bookworm"))
    assert not list(tmp_path.iterdir())


def test_a_command_in_the_box_sees_none_of_this_machine_s_environment(tmp_path: Path) -> None:
    words = Emulated(tmp_path, {Path("/srv"): "/mnt"}).words(["true", "a b"])
    assert words[-2:] == ["true", "a b"]
    assert "/srv:/mnt" in words
    assert words[words.index("/usr/bin/env") + 1] == "-i"
