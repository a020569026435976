"""Clips of a folder, found and read again. Not for writing them (`edge.clips.folder`); the node may do so meanwhile."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import soundfile

from edge.clips.clip import ClipFile, from_json
from edge.clips.folder import ABOUT, SOUND
from edge.clips.pcm_ring import LOST, Pcm
from edge.errors import SourceError


def find_clip(folder: Path, ident: str) -> ClipFile:
    """The clip with this id, or of those that hold the onset of the event with it, the one that shows most of it.

    Raises:
        SourceError: the folder cannot be read, or no clip there is of this event.
    """
    try:
        paths, best, shown = sorted(folder.glob(f"*{SOUND}")), None, (False, -1)
        if not paths and not folder.is_dir():
            raise SourceError(f"no folder of clips {folder}; give --clips FOLDER, or --config with the node's settings")
        for path in paths:
            if (about := from_json(path.with_suffix(ABOUT).read_bytes())) is None:
                continue
            if about.id == ident:
                return about
            for event in about.events:
                shows = (event.end is not None, event.onset - about.start)
                if event.id == ident and shows > shown:
                    best, shown = about, shows
    except OSError as error:
        raise SourceError(f"clips {folder}: cannot be read ({error.strerror}); run as their owner") from None
    if best is not None:
        return best
    raise SourceError(
        f"no clip of {ident} among {len(paths)} in {folder}; it was withheld, has expired, or is still recorded: the "
        "messages on s/<stream>/clip say which"
    )


def read_pcm(folder: Path, about: ClipFile) -> Pcm:
    """(N,) the sound of a clip, `LOST` in its gaps.

    Raises:
        SourceError: it is not there any more, or not what was written.
    """
    path = folder / f"{about.id}{SOUND}"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SourceError(f"clip {path}: cannot be read ({error.strerror}); run as its owner") from None
    if hashlib.sha256(content).hexdigest() != about.sha256:
        raise SourceError(f"clip {path}: damaged, its sound is not the one that was written; copy it again")
    pcm: Pcm = np.asarray(soundfile.read(io.BytesIO(content), dtype="int16")[0])
    if len(pcm) != about.stop - about.start or not about.listed:
        raise SourceError(
            f"clip {path}: expected {about.stop - about.start} samples and all gaps; it cannot be replayed"
        )
    for first, stop in about.gaps:
        pcm[first - about.start : stop - about.start] = LOST
    return pcm
