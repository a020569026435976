"""The clips in the folder that the board may read: the sound of one, and its picture.

Not for recording or removing them: the node does, meanwhile. A clip is known by what the folder holds: its name there
must be a ULID and its description whole. Nothing of a request ever becomes part of a path before it was found here.
What reads clips brings Numba, 2 s and some 60 MB, so it is imported where a folder is set, and not before.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import SourceError

if TYPE_CHECKING:
    from edge.clips.clip import ClipFile, StreamScoring

SETTLED_NS = 1_000_000_000  # two changes within a tick of the file system's clock have one time
MAX_CLIPS = 20_000  # the latest of the folder; 500 MB, a node's default, are some 1000


class ClipIndex:
    """The clips of one folder; safe to use from several threads."""

    def __init__(self, folder: Path | None, sites: Collection[str] = ()) -> None:
        """Look at nothing yet.

        Args:
            folder: of a node's clips; None: there is none.
            sites: whose clips are known; none: all.
        """
        self.folder, self._sites, self._mutex = folder, frozenset(sites), threading.Lock()
        self._read: dict[str, ClipFile | None] = {}
        self._seen_ns = -1
        self.why_none = "" if folder is not None else "no folder of clips is set for this board"
        """Why there are none, for a person; empty: the folder was read."""

    @property
    def clips(self) -> dict[str, ClipFile]:
        """By id, as `refresh` found them."""
        return {ident: about for ident, about in self._read.items() if about is not None}

    def refresh(self) -> None:
        """Look again; reads what is new in the folder, so not for the event loop."""
        if self.folder is None:
            return
        from edge.clips.folder import SOUND, is_clip

        with self._mutex:
            try:
                changed_ns = self.folder.stat().st_mtime_ns
                if changed_ns == self._seen_ns:
                    return
                names = sorted(path.name for path in self.folder.iterdir() if is_clip(path.name))
                idents = [name.removesuffix(SOUND) for name in names[-MAX_CLIPS:]]
                self._read = {ident: self._known(ident) for ident in idents}
                is_settled = time.time_ns() - changed_ns > SETTLED_NS
                self._seen_ns, self.why_none = changed_ns if is_settled else -1, ""
            except OSError as error:
                self._read, self._seen_ns = {}, -1
                self.why_none = f"the folder of clips cannot be read ({error.strerror})"

    def sound(self, ident: str) -> tuple[bytes, StreamScoring]:
        """The FLAC file of a clip, and of which bed it is.

        Raises:
            SourceError: there is no such clip, or no more.
        """
        about = self._read.get(ident)
        if about is None or self.folder is None:
            raise SourceError("there is no such clip here")
        from edge.clips.folder import SOUND

        try:
            return (self.folder / f"{about.id}{SOUND}").read_bytes(), about.hearing
        except OSError:
            raise SourceError("the clip is not there any more: its time or room was over") from None

    def _known(self, ident: str) -> ClipFile | None:
        """What lies beside a sound; None if it is damaged, of a site that is not shown, or just being removed."""
        if ident in self._read:
            return self._read[ident]
        from edge.clips.clip import from_json
        from edge.clips.folder import ABOUT

        assert self.folder is not None, "only a folder is looked at"
        try:
            about = from_json((self.folder / f"{ident}{ABOUT}").read_bytes())
        except FileNotFoundError:
            return None
        if about is None or about.id != ident or (self._sites and about.hearing.site not in self._sites):
            return None
        return replace(about, resume=None)  # kilobytes that nobody looks at here
