"""The log of who signed in and what was ordered: a JSON line each, in a file of its own.

Not for alarms (the node logs every transition, `laennec alarms`). It grows to `MAX_BYTES`, then the one before is
replaced. A disk that takes no line stops no order: that an alarm is answered counts more, and the node logs it too.
"""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

from edge.contract.fields import rfc3339
from edge.errors import ConfigError
from edge.log import RateLimitedLog
from edge.private_files import make_private_folder, open_private, restrict

MAX_BYTES = 10_000_000

logger = logging.getLogger(__name__)


class Audit:
    """Appends lines."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            ConfigError: it cannot be written.
        """
        self._path, self._limited_log = path, RateLimitedLog(logger)
        try:
            make_private_folder(path.parent)
            restrict(path)
            self._open()
        except OSError as error:
            raise ConfigError(f"audit: cannot write {path}: {error.strerror}; give another file") from None

    def write(self, what: str, **fields: object) -> None:
        """Append one line: what happened, when, and what is known of it."""
        line = json.dumps({"ts": rfc3339(time.time()), "what": what, **fields}) + "\n"
        try:
            if self._file.tell() > MAX_BYTES:
                self._file.close()
                self._path.replace(self._path.with_name(f"{self._path.name}.1"))
                self._open()
            self._file.write(line)
            self._file.flush()
        except (OSError, ValueError) as error:
            self._limited_log.log("audit", f'board audit=failed file={self._path} reason="{error}"; make room there')

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _open(self) -> None:
        self._file = open_private(self._path, "a", encoding="utf-8")
