"""The content of a picture of a sound file: the options, the panels, the events. Frozen records.

Not for reading the file (`edge.pictures.spectrogram`) or for drawing (`edge.pictures.drawing`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.artefact.model import Model
from edge.errors import ConfigError, LaennecError
from edge.features import FRONT_ENDS, FeatureSpec

MOST_SPEC_BYTES = 1 << 20  # a wrong file is not read into memory whole


@dataclass(frozen=True)
class PictureOptions:
    """Which stretch of which file to draw, by which front-end."""

    path: Path
    """A sound file."""
    name: str
    """Name of the front-end, for titles and errors."""
    spec: FeatureSpec
    """The front-end."""
    channel: int | None = None
    """Which of several, counted from 1."""
    from_s: float = 0.0
    """Begin of the stretch, seconds from the begin of the file."""
    to_s: float | None = None
    """Its end; None for the end of the file."""


@dataclass(frozen=True)
class Panel:
    """The levels of one analysis window over time and bands, or their slopes."""

    name: str
    """Its window or slope, for its axis."""
    values: NDArray[np.float32]
    """(columns, M) levels in the unit of the compression, or their slope for each frame; NaN where not measurable."""
    unit: str
    """Unit of the values: dB, ln, PCEN, or one of these per frame."""
    signed: bool
    """Whether they are slopes, around zero."""


@dataclass(frozen=True)
class DetectedEvent:
    """One event of the detector, as drawn."""

    label: str
    """Class of the model."""
    group: int
    """Index of its group among those of the model."""
    onset_s: float
    """Begin, seconds from the begin of the file."""
    end_s: float
    """End, seconds from the begin of the file."""


@dataclass(frozen=True)
class Spectrogram:
    """A stretch of a file as a front-end analyses it."""

    options: PictureOptions
    """What was to be drawn."""
    panels: tuple[Panel, ...]
    """Window after window, then their slopes."""
    centres_hz: NDArray[np.float64]
    """(M,) centre of every band, Hz."""
    first_s: float
    """Centre of the first frame of the first column, seconds from the begin of the file."""
    hop_s: float
    """From one frame to the next, seconds."""
    per_column: int
    """Frames in a column."""
    to_s: float
    """End of the stretch, seconds from the begin of the file."""
    broken: LaennecError | None
    """Why the file could not be read to its end, to be raised when the picture is written."""

    @property
    def times_s(self) -> NDArray[np.float64]:
        """(columns,) centre of each column, seconds from the begin of the file."""
        frames = np.arange(len(self.panels[0].values), dtype=np.float64) * self.per_column + (self.per_column - 1) / 2
        return self.first_s + frames * self.hop_s


def picture_options(
    path: Path, front_end: str | None, model: Model | None, channel: int | None, stretch_s: tuple[float, float | None]
) -> PictureOptions:
    """The options of a picture from those of the command line.

    Args:
        path: a sound file.
        front_end: name of a front-end, or a file with a feature spec; None for that of the model.
        model: loaded artefact; not None where `front_end` is.
        channel: which of several, counted from 1.
        stretch_s: begin and end, seconds; None for the end of the file.

    Raises:
        ConfigError: if there is no such front-end.
    """
    if front_end is not None:
        return PictureOptions(path, Path(front_end).name, named_front_end(front_end), channel, *stretch_s)
    assert model is not None
    return PictureOptions(path, model.id, model.spec, channel, *stretch_s)


def named_front_end(text: str) -> FeatureSpec:
    """The front-end of a name, or of a file with a feature spec as JSON, with any white space.

    Raises:
        ConfigError: if there is none.
    """
    if text in FRONT_ENDS:
        return FRONT_ENDS[text]
    path = Path(text)
    if path.suffix != ".json":
        raise ConfigError(
            f"--frontend {text!r} is not known; give {', '.join(FRONT_ENDS)}, or a feature spec as FILE.json"
        )
    try:
        with path.open("rb") as file:
            tree = json.loads(file.read(MOST_SPEC_BYTES))
    except OSError as error:
        raise ConfigError(f"--frontend {text}: cannot be opened ({error.strerror}); check the path") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"--frontend {text}: is not JSON ({error}); `laennec model` shows a feature spec") from error
    return FeatureSpec.from_json(json.dumps(tree, sort_keys=True, separators=(",", ":")))
