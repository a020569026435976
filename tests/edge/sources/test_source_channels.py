"""One channel is heard of a file in which all that have sound have the same; others must be chosen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.errors import ConfigError
from edge.sources.file import FileSource
from edge.sources.opening import open_source
from tests.edge.sources.test_file import output_of

RATE_HZ = 44100
BREATH = np.random.default_rng(0).normal(0, 0.01, 3 * RATE_HZ)
OTHER = np.random.default_rng(1).normal(0, 0.01, 3 * RATE_HZ)
SILENCE = np.zeros(3 * RATE_HZ)


def _file(folder: Path, name: str, *channels: np.ndarray) -> Path:
    soundfile.write(folder / name, np.stack(channels, axis=1), RATE_HZ)
    return folder / name


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.ogg"])
@pytest.mark.parametrize("channels", [(BREATH, BREATH), (SILENCE, BREATH), (BREATH, SILENCE), (SILENCE, SILENCE)])
def test_one_microphone_in_two_channels_is_heard_from_its_first_sample(
    tmp_path: Path, name: str, channels: tuple[np.ndarray, np.ndarray]
) -> None:
    path = _file(tmp_path, name, *channels)
    position = 1 if channels[0] is SILENCE and channels[1] is BREATH else 0
    found, _ = output_of(FileSource(path, 8000))
    expected, _ = output_of(FileSource(path, 8000, channel=position + 1))
    np.testing.assert_array_equal(found, expected)
    assert bool(np.any(found)) is any(channel is BREATH for channel in channels)


def test_the_rounding_of_a_converter_is_no_other_sound(tmp_path: Path) -> None:
    path = _file(tmp_path, "a.wav", BREATH, BREATH + np.where(OTHER > 0, 2.0**-15, 0.0))
    assert len(output_of(FileSource(path, 8000))[0]) == 24000


@pytest.mark.parametrize(
    "second",
    [OTHER, BREATH / 2, -BREATH, np.concatenate([BREATH[: 2 * RATE_HZ], OTHER[2 * RATE_HZ :]])],
    ids=["another sound", "fainter", "upside down", "another in the last second"],
)
def test_channels_that_differ_must_be_chosen(tmp_path: Path, second: np.ndarray) -> None:
    path = _file(tmp_path, "a.wav", BREATH, second)
    with pytest.raises(ConfigError, match="has 2 channels; choose one, channel 1 to 2"):
        FileSource(path, 8000)


def test_a_damaged_file_of_two_channels_must_have_one_chosen(tmp_path: Path) -> None:
    path = _file(tmp_path, "a.flac", BREATH, BREATH)
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2 :] = bytes(len(whole) - len(whole) // 2)
    path.write_bytes(whole)
    with pytest.raises(ConfigError, match="choose one"):
        open_source(str(path), 8000)
