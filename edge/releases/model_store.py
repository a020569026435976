"""The shelf: signed models on this box, which of them is in force, and the way back.

    models/
      <sha256 of the manifest>/   manifest.json  manifest.sig  NAME.onnx  NAME.cpu-int8.onnx ...
      promoted                    which of them is in force, and before it (`edge.releases.promotions`)

Not for packages (`edge.releases.package`), manifests (`edge.releases.manifest`) or the choice between variants
(`edge.artefact.variants`).

Every step that others can see is one rename of something that is whole on the disk, so that after a power cut either
nothing happened or everything did. One process at a time writes; readers wait for nobody.

A release is checked again whenever it is opened: signature, sizes, hashes. One that fails is refused, and with it the
start; another model never takes its place unasked. A box that stopped is offline to its broker at once and shown as
not listening, which the ward acts on; one that listens with a model that nobody chose, from a disk that has just lost
something, looks like any other. The way back is one command and the refusal names it.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import ConfigError, LaennecError, ModelError
from edge.releases.promotions import BUNDLED, INCOMING, read_history, record_history
from edge.releases.release import Release, check_release, receive, sync
from edge.releases.signature import read_keys

if TYPE_CHECKING:
    from edge.settings.config import Config

LOCK = ".lock"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a folder of the shelf holds, for a person."""

    sha256: str
    release: Release | None
    fault: str
    """Why it cannot be used; empty if it can."""
    in_force: bool


def model_in_force(config: Config) -> Path | None:
    """The artefact that a node with these settings runs; None for the one that comes with Laennec.

    Raises:
        ModelError: the promoted release is refused; it is not replaced by another.
        ConfigError: the shelf or the keys cannot be read.
    """
    if config.model is not None:
        return config.model
    release = Shelf(config.models.store_path, config.models.keys).in_force()
    if release is None:
        return None
    log.info("release=%s signed_by=%s folder=%s", release.sha256[:12], release.signer.name, release.folder)
    return release.artefact


class Shelf:
    """The releases of one box.

    Args:
        folder: where they are; made when the first one comes.
        keys: folder of the public keys that are trusted.
    """

    def __init__(self, folder: Path, keys: Path) -> None:
        """Touch nothing."""
        self._folder, self._keys = folder, keys

    def in_force(self) -> Release | None:
        """The promoted release, checked; None for the bundled model.

        Raises:
            ModelError: if it is damaged, no longer trusted, or for a newer Laennec (this one may have been rolled
                back); it is not replaced by another.
            ConfigError: if the shelf or the keys cannot be read.
        """
        history = read_history(self._folder)
        if not history or history[-1] == BUNDLED:
            return None
        try:
            return self._runnable(history[-1])
        except ModelError as error:
            raise ModelError(
                f"the promoted model is refused: {error}; or go back with `laennec model rollback` "
                "or `laennec model promote ID|bundled`"
            ) from None

    def find(self, wanted: str) -> Release | None:
        """The release whose id begins so, checked; None for `bundled`.

        Raises:
            ConfigError: no such release, or more than one.
            ModelError: as `open`.
        """
        sha256 = self._find(wanted)
        return None if sha256 == BUNDLED else self.open(sha256)

    def open(self, sha256: str) -> Release:
        """One release, checked.

        Raises:
            ModelError: if it is not there, damaged, or signed by nobody who is trusted.
        """
        release = check_release(self._folder / sha256, read_keys(self._keys))
        if release.sha256 != sha256:
            raise ModelError(f"{release.folder}: expected model {sha256[:12]}, found {release.sha256[:12]}; remove it")
        return release

    def standings(self) -> list[Standing]:
        """Every release, the oldest first; damaged ones at the end."""
        last = (read_history(self._folder) or [BUNDLED])[-1]
        names = {*self._names(), last} - {BUNDLED}  # what is promoted and gone is told too
        standings = [self._standing(sha256, sha256 == last) for sha256 in sorted(names)]
        return sorted(standings, key=lambda s: s.release.manifest.created if s.release else "~")

    def install(self, source: Path) -> Release:
        """Bring a package; it is on the shelf whole or not at all, and nothing else changes.

        Raises:
            ModelError: unsigned, wrongly signed, by an expired key, damaged, cut short, for a newer Laennec, or not
                a model that this version can run.
            ConfigError: if there is no key, or the shelf cannot be written.
        """
        keys = read_keys(self._keys)
        with self._writing():
            incoming = Path(tempfile.mkdtemp(prefix=INCOMING, dir=self._folder))
            release = receive(source, keys, incoming, datetime.now(timezone.utc))
            return self._shelve(incoming, release.sha256)

    def promote(self, wanted: str, older: bool = True) -> Release | None:
        """Put a release in force from the next start on.

        Args:
            wanted: the first digits of its id, or `bundled`.
            older: whether it may be older than the one in force.

        Returns:
            The release; None for the bundled model.

        Raises:
            ConfigError: no such release, or more than one.
            ModelError: damaged, not trusted, for a newer Laennec, or older where that is not wanted.
        """
        with self._writing():
            history = read_history(self._folder)
            sha256 = self._find(wanted)
            release = None if sha256 == BUNDLED else self._runnable(sha256)
            if release is not None and not older:
                self._refuse_older(release, history)
            if sha256 != (history or [BUNDLED])[-1]:
                record_history(self._folder, [*history, sha256])
            return release

    def rollback(self) -> Release | None:
        """Put back what was in force before the last promotion.

        Returns:
            The release; None for the bundled model.

        Raises:
            ConfigError: if nothing was promoted.
            ModelError: if it cannot be used; the last promotion stays.
        """
        with self._writing():
            history = read_history(self._folder)
            if not history:
                raise ConfigError(f"nothing to go back to: no model was promoted in {self._folder}")
            before = history[-2] if len(history) > 1 else BUNDLED
            release = None if before == BUNDLED else self._runnable(before)
            record_history(self._folder, history[:-1])
            return release

    def _runnable(self, sha256: str) -> Release:
        release = self.open(sha256)
        release.manifest.check_version()
        return release

    def _refuse_older(self, release: Release, history: list[str]) -> None:
        """What is in force may be damaged; its date is then unknown and does not count."""
        standing = self._standing(history[-1], True) if history and history[-1] != BUNDLED else None
        if standing and standing.release and release.manifest.created < standing.release.manifest.created:
            raise ModelError(
                f"{release.manifest.id} of {release.manifest.created} is older than the active model, of "
                f"{standing.release.manifest.created}; if you mean it: laennec model promote {release.sha256[:12]}"
            )

    def _standing(self, sha256: str, in_force: bool) -> Standing:
        try:
            return Standing(sha256, self.open(sha256), "", in_force)
        except LaennecError as error:
            return Standing(sha256, None, str(error), in_force)

    def _names(self) -> list[str]:
        try:
            return sorted(name for name in os.listdir(self._folder) if re.fullmatch("[0-9a-f]{64}", name))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ConfigError(f"models.path: {self._folder} cannot be read ({error.strerror})") from None

    def _find(self, wanted: str) -> str:
        if wanted == BUNDLED:
            return BUNDLED
        found = [name for name in self._names() if name.startswith(wanted)]
        if len(found) != 1 or not wanted:
            said = "none" if not found else f"{len(found)} of them"
            raise ConfigError(
                f"{wanted!r}: expected the first digits of one model id in {self._folder}, or `bundled`, found {said}; "
                "see `laennec model list`"
            )
        return found[0]

    def _shelve(self, incoming: Path, sha256: str) -> Release:
        """Give a whole release its name; one that stood there damaged is replaced."""
        there = self._standing(sha256, False)
        if there.release is not None:
            return there.release
        target = self._folder / sha256
        incoming.chmod(0o755)  # read by the service, which is another user
        if target.exists():
            os.rename(target, f"{incoming}-damaged")  # refused until now, so nothing is lost if the power goes here
        os.rename(incoming, target)
        sync(self._folder)
        return self.open(sha256)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One process at a time; what it, or an earlier one that lost power, left half done is removed.

        Raises:
            ConfigError: if the disk does not take it.
        """
        before = os.umask(0o022)  # the service reads it as another user
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / LOCK).open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)  # given back by the kernel, however the process ends
                try:
                    yield
                finally:
                    for left in self._folder.glob(f"{INCOMING}*"):
                        shutil.rmtree(left) if left.is_dir() else left.unlink()
        except OSError as error:
            raise ConfigError(
                f"models.path: {self._folder} cannot be written ({error.strerror}); the active model stays"
            ) from None
        finally:
            os.umask(before)
