"""Levels and scores as bytes: what each means, and what 0 says."""

from __future__ import annotations

from base64 import b64decode

import numpy as np
import pytest

from edge.contract.message import encode
from edge.node.live_messages import MelScale, MelTile, level_bytes, mel_body, mel_topic, score_bytes
from tests.edge.conftest import SCHEMAS
from tests.edge.streaming import NODE

SCALE = MelScale(8000, 256, 71.234, 1933.5678, ("wheeze", "rhonchus"), {"wheeze": 0.62, "rhonchus": 0.123456})


@pytest.mark.parametrize(
    ("level_db", "byte"),
    [(-100.0, 1), (-105.0, 1), (-99.6, 2), (-99.81, 1), (-99.79, 2), (-60.0, 101), (0.0, 251), (1.6, 255), (40.0, 255)],
)
def test_a_level_is_the_nearest_step_of_0_4_db_and_never_0(level_db: float, byte: int) -> None:
    levels = np.full((1, 3), level_db, np.float32)
    assert level_bytes(levels, np.array([True])).tolist() == [[byte] * 3]
    assert level_bytes(levels, np.array([False])).tolist() == [[0] * 3]


@pytest.mark.parametrize(("score", "byte"), [(0.0, 1), (1.0, 255), (0.5, 128), (1 / 254, 2)])
def test_a_score_has_254_steps_and_what_was_not_scored_is_0(score: float, byte: int) -> None:
    scores = np.full((2, 1), score, np.float32)
    assert score_bytes(scores, np.array([True, False])).tolist() == [[byte], [0]]


def test_the_message_has_its_columns_one_after_the_other_lowest_band_first() -> None:
    mel = np.arange(12, dtype=np.uint8).reshape(3, 4)
    scores = np.arange(6, dtype=np.uint8).reshape(3, 2)
    body = mel_body(NODE, "bed1", SCALE, MelTile(2**33, 1_800_000_000.5, mel, scores), 1_800_000_002.0)
    SCHEMAS["laennec.mel/1"].validate(body)
    assert b64decode(body["mel"]) == bytes(range(12))
    assert b64decode(body["scores"]) == bytes(range(6))
    assert (body["columns"], body["bands"], body["classes"]) == (3, 4, ["wheeze", "rhonchus"])
    assert body["sample"] == {"rate": 8000, "first": 2**33, "column": 256}
    assert (body["time"], body["ts"]) == ("2027-01-15T08:00:00.500Z", "2027-01-15T08:00:02.000Z")
    assert (body["lowest_hz"], body["highest_hz"]) == (71.23, 1933.57)
    assert body["thresholds"] == {"wheeze": 0.62, "rhonchus": 0.1235}
    assert mel_topic(NODE, "bed1") == "laennec/v1/ward/node/s/bed1/mel"


def test_a_message_of_the_longest_stretch_is_below_4_kb() -> None:
    mel, scores = np.full((45, 48), 255, np.uint8), np.full((45, 5), 255, np.uint8)
    body = mel_body(NODE, "b" * 32, SCALE, MelTile(2**40, 1_800_000_000.5, mel, scores), 1_800_000_002.0)
    assert len(encode(body)) < 4096
