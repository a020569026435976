"""The picture of a clip: a tone is where it sounds and as high as it is; lost sound is not heard, and not quiet."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.errors import SourceError
from edge.features.logmel import mel_edges_hz
from edge.features.spec import LOG_MEL
from edge.server.board.clip_picture import picture_of
from edge.server.board.clips import ClipIndex
from tests.edge.server.board import ward_messages as made
from tests.edge.server.board.board_clips import BEGIN, LENGTH_S, LOST_S, RATE_HZ, TONE_HZ, TONE_S, a_clip, put

NOT_IN_A_PICTURE = {"schema", "node", "stream", "site", "mode", "ts"}  # fields of a tile that no page draws
EVENT_ID = "01KB2M0000000000000000TEST"


def picture(path: Path) -> Any:
    clip = put(path, a_clip(EVENT_ID))
    index = ClipIndex(path)
    index.refresh()
    return json.loads(picture_of(path, index.clips[clip.id]))


def test_a_tone_is_in_its_band_at_its_time_and_lost_sound_is_not_heard(tmp_path: Path) -> None:
    body = picture(tmp_path)
    sample, db = body["sample"], body["db"]
    levels = np.frombuffer(base64.b64decode(body["mel"]), np.uint8).reshape(body["columns"], body["bands"])
    assert set(body) >= set(made.tile(0)) - NOT_IN_A_PICTURE
    at_s = (sample["first"] - BEGIN + (np.arange(len(levels)) + 0.5) * sample["column"]) / RATE_HZ
    tone = (at_s > TONE_S[0] + 0.1) & (at_s < TONE_S[1] - 0.1)
    centres_hz = mel_edges_hz(LOG_MEL)[1:-1]
    assert set(levels[tone].argmax(axis=1)) == {int(np.abs(centres_hz - TONE_HZ).argmin())}
    loudest_db = db["lowest"] + (levels[tone].max(axis=1).astype(float) - 1) * db["step"]
    assert (loudest_db.max() - loudest_db.min()) < 1.0
    lost = (at_s > LOST_S[0]) & (at_s < LOST_S[1])
    assert not levels[lost].any()
    assert levels[(at_s > 1) & (at_s < 2)].all(), "quiet is not lost"


def test_it_says_where_it_and_its_events_are_in_the_stream(tmp_path: Path) -> None:
    body = picture(tmp_path)
    assert (body["begin_s"], body["end_s"]) == (BEGIN / RATE_HZ, BEGIN / RATE_HZ + LENGTH_S)
    assert body["events"] == [{"id": EVENT_ID, "label": "wheeze", "begin_s": 13.0, "end_s": 15.0, "is_open": False}]


def test_a_clip_that_is_gone_is_an_error_in_words(tmp_path: Path) -> None:
    clip = put(tmp_path, a_clip(EVENT_ID))
    index = ClipIndex(tmp_path)
    index.refresh()
    about = index.clips[clip.id]
    (tmp_path / f"{clip.id}.flac").unlink()
    with pytest.raises(SourceError) as refused:
        picture_of(tmp_path, about)
    assert "cannot be read" in str(refused.value)
