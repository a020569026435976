"""A stream that is not like what the model knows says so in its state, its events and the log."""

from __future__ import annotations

import numpy as np
import pytest

from edge.settings.node import Stream
from edge.types import Block
from tests.edge.fakes import LoudnessModel
from tests.edge.knowing import RATE_HZ, block, known_noise, noise
from tests.edge.streaming import Driven, Published, Script

pytestmark = pytest.mark.usefixtures("patient")

FAINT_DB = -80.2  # of white noise; in the bands of the model 2 dB less
REASON = "level -81 dBFS: too low, expected -73 to -1"


def _blocks(level_db: float, seconds: int, start_s: int = 0) -> list[Block]:
    """Noise in blocks of a second."""
    return [block(noise(level_db, 1.0, seed=s), s * RATE_HZ) for s in range(start_s, start_s + seconds)]


def _half_silent(item: Block) -> Block:
    """The block with silence in its second half."""
    return item._replace(samples=np.where(np.arange(len(item.samples)) < RATE_HZ // 2, item.samples, np.float32(0)))


def _stream(published: Published, outside: str) -> Driven:
    model = LoudnessModel()
    model.known = known_noise(-42.0)
    settings = Stream(id="bed1", source="script", pace=False, outside=outside)  # type: ignore[arg-type]
    return Driven(settings, Script(), published, model)


@pytest.mark.parametrize(
    ("outside", "state", "verified"),
    [
        ("unverified", ("degraded", f"unverified: {REASON}"), False),
        ("not_measurable", ("degraded", f"not measurable: {REASON}"), False),
        ("ignore", ("ok", ""), None),
    ],
)
def test_a_stream_outside_is_what_the_settings_call_it(
    outside: str, state: tuple[str, str], verified: bool | None
) -> None:
    stream = _stream(Published(), outside)
    for item in _blocks(FAINT_DB, 16):
        stream.feed(item)
    found = stream.assess().state
    assert (found.name, found.reason) == state
    assert found.verified is verified


def test_a_stream_that_comes_back_is_ok_and_both_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    stream, states = _stream(Published(), "unverified"), []
    for item in [*_blocks(FAINT_DB, 16), *_blocks(-40.0, 50, start_s=16)]:
        stream.feed(item)
        states.append((stream.assess().state.name, stream.assess().state.verified))
    assert list(dict.fromkeys(states)) == [("ok", None), ("degraded", False), ("ok", True)]
    reported = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert reported == [f"stream=bed1 {REASON}", "stream=bed1 sounds like what the model knows"]


def test_events_of_a_stream_outside_are_not_verified() -> None:
    published = Published()
    stream = _stream(published, "unverified")
    for item in _blocks(-20.0, 20):  # a burst each second in silence: too far above its noise floor
        stream.feed(_half_silent(item))
    stream.close()
    verified = [body["verified"] for body in published.events()]
    assert (verified[0], verified[-1]) == (None, False)


def test_a_stream_says_what_is_added_to_its_level_and_again_only_when_that_has_moved() -> None:
    stream, gains, since = _stream(Published(), "unverified"), [], []
    for item in _blocks(-64.0, 20):
        stream.feed(item)
        gains.append(stream.assess().state.gain_db)
        since.append(stream.assess().state.since_s)
    assert gains[-1] == pytest.approx(23, abs=3)  # -64 dBFS are -66 in the bands; -43 is the lowest that is known
    assert len(set(gains)) <= 4
    assert len(set(since)) < len(set(gains)) + 3


def test_a_stream_that_is_known_from_its_start_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    stream = _stream(Published(), "unverified")
    stream.feed(*_blocks(-42.0, 16))
    assert stream.assess().state.verified is True
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == []
