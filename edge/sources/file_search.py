"""Sound files that commands read: those that are named, all those in a folder, and those that come with Laennec.

The latter are a minute of computed breath sound, with which sounds lie where in it, and a manikin's clip
(`training.synthetic.demo` made both).

Not for opening them (`edge.sources.file`): a file that is named is never left out here, whatever its ending.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from edge.errors import SourceError
from edge.settings.names import STANDARD_INPUT
from edge.sources.source import UNREAD_ENDINGS

READ = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".caf", ".w64", ".rf64")
ENDINGS = (*READ, *UNREAD_ENDINGS)
"""Of the files that are looked for in a folder, in lower case; libsndfile reads the first of them."""


def sound_files(named: Path) -> list[Path]:
    """The files to read: the one that is named (or standard input), or those in a folder and all below it, by name.

    Raises:
        SourceError: the folder cannot be read, or holds no sound file.
    """
    if str(named) == STANDARD_INPUT or not named.is_dir():
        return [named]
    found = sorted(files_below(named, ENDINGS))
    if not found:
        raise SourceError(f"{named}: no sound file in this folder; looked for {', '.join(READ)}")
    return found


def refuse(error: OSError) -> None:
    """Raise what a folder that cannot be read is for who wants all of it."""
    raise SourceError(f"{error.filename}: cannot be read ({error.strerror}); check its owner and mode")


def files_below(
    folder: Path, endings: tuple[str, ...], unreadable: Callable[[OSError], None] = refuse
) -> Iterator[Path]:
    """Files in a folder and all below it, in no order; a link to a folder is not followed: it may lead in a circle.

    Args:
        folder: where to look.
        endings: of the files, in lower case.
        unreadable: called with the error of each folder that cannot be read; what it raises ends the search.
    """
    for parent, _, names in os.walk(folder, onerror=unreadable):
        for name in names:
            if name.lower().endswith(endings) and not name.startswith("."):
                yield Path(parent, name)


DEMO_AUDIO = Path(__file__).with_name("demo.flac")
"""One channel of 16 bits at 8 kHz, 56 s."""
MANIKIN_AUDIO = Path(__file__).with_name("manikin.flac")
"""One channel of 16 bits at 4 kHz, 15 s: F_W_RUA of HLS-CMDS, labelled as wheezing, as it was published."""
MANIKIN_CREDIT = (
    "a manikin heard by a digital stethoscope, labelled as wheezing, not a patient: Torabi et al., HLS-CMDS, IEEE Data "
    "Descriptions 2025, doi 10.17632/8972jxbpmp.3, CC BY 4.0"
)
DEMO_TRUTH = Path(__file__).with_name("demo.json")
"""JSON: `sounds` with `label`, `onset_s` and `end_s` of each, and `crackle_s`, the onset of every single crackle."""
