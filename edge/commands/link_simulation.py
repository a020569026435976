"""The simulated device of `firmware_bridge/sim`, built once and given recordings that it can play.

Not a part of the detector, and not for a ward.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import soundfile

from edge.errors import SourceError
from edge.kernels import folders
from edge.sources.file_search import DEMO_AUDIO
from firmware_bridge.sim import build


def simulator() -> Path:
    """The program, built at the first call into the cache directory.

    Raises:
        ConfigError: there is no C compiler.
        SourceError: it does not compile, or no cache directory can be written.
    """
    refusal = SourceError("no cache directory can be written; name one with NUMBA_CACHE_DIR or XDG_CACHE_HOME")
    for folder in folders():
        try:
            return build(folder / "simulator")
        except SourceError as error:
            refusal = error
    raise refusal


def recordings(arguments: Sequence[str], folder: Path) -> list[str]:
    """The simulator's arguments, every sound file converted to what it reads: WAV of 16 bits.

    Args:
        arguments: options and files; without any file the bundled recording is played.
        folder: where files are converted to.

    Raises:
        SourceError: a file cannot be read as sound.
    """
    out, played = [], 0
    for index, argument in enumerate(arguments):
        is_value = index > 0 and arguments[index - 1].startswith("--")
        if is_value or argument.startswith("-"):
            out.append(argument)
            continue
        out.append(str(_as_wav(Path(argument), folder / f"{played}.wav")))
        played += 1
    if not played and "--help" not in arguments:
        out.insert(0, str(_as_wav(DEMO_AUDIO, folder / "demo.wav")))  # never the value of an option that lacks its own
    return out


def _as_wav(path: Path, made: Path) -> Path:
    try:
        path.open("rb").close()
        form = soundfile.info(str(path))
        if (form.format, form.subtype) == ("WAV", "PCM_16"):
            return path
        samples, rate_hz = soundfile.read(str(path), dtype="int16", always_2d=True)
        soundfile.write(str(made), samples, rate_hz, subtype="PCM_16")
    except (soundfile.LibsndfileError, OSError, TypeError) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "error_string", None) or error
        raise SourceError(f"{path}: cannot be played ({reason}); give WAV, FLAC, OGG, AIFF or MP3") from error
    return made
