"""Sends notices to phones and chats by the library Apprise, in threads of their own: nobody waits for a receiver.

Not for what is sent (`edge.server.board.notices`), and no alarm channel. Each receiver has a thread and a bounded
queue; one that fails is tried again for a while, logged once and shown. What was sent lies on the disk, so a restart
sends nothing twice; what was not delivered before one is sent after it. URLs are secrets: no line of a log holds one.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from edge.contract.alarms import AlarmMessage
from edge.contract.fields import Signal
from edge.contract.topics import Address
from edge.errors import ConfigError
from edge.files import StateFile
from edge.log import RateLimitedLog
from edge.server.board.notices import GONE, Notice, Notified, Selection, key_of, look_at, text_of
from edge.settings.board import BoardSettings, Receiver

MAX_WAITING = 64  # notices of one receiver
MAX_ALARMS = 4096  # that are remembered
MAX_URLS, MAX_FILE_BYTES = 16, 16_384  # of one receiver
RETRY_MIN_S, RETRY_MAX_S = 5.0, 60.0  # the wait doubles
GIVE_UP_S = 600.0  # an older notice is no news
SAVE_S = 1.0  # between two writes of what was sent
STOP_S = 2.0

_ALARMS: TypeAdapter[dict[str, Notified]] = TypeAdapter(dict[str, Notified])

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReceiverState:
    """How the sending to one receiver goes."""

    name: str
    sent: int
    sent_s: float | None
    """When the last one was taken, monotonic; None: none was."""
    trouble: str
    """Why the last was not; empty if it was."""


class AppriseService:
    """The URLs of one receiver, in Apprise."""

    def __init__(self, receiver: Receiver) -> None:
        """Read them.

        Raises:
            ConfigError: the file cannot be read, or a line is no URL that Apprise knows.
            ImportError: Apprise is not installed.
        """
        import apprise

        for library in ("apprise", "urllib3"):  # their lines may hold URLs
            logging.getLogger(library).handlers[:] = [logging.NullHandler()]
            logging.getLogger(library).propagate = False
        self.name = receiver.name
        asset = apprise.AppriseAsset(app_id="Laennec", async_mode=False, image_url_mask=None, image_path_mask=None)
        self._apprise, self._format = apprise.Apprise(asset=asset), apprise.NotifyFormat.TEXT
        where = f"notify: urls_file of {receiver.name}"
        for number, url in _urls(receiver.urls_file, where):
            if not self._apprise.add(url):
                raise ConfigError(f"{where}: line {number} of {receiver.urls_file} is no URL that Apprise knows")

    def send(self, title: str, body: str, priority: str) -> str:
        """Send; why it was not taken, or empty. Waits for the network, some seconds at most."""
        kind = {"Hi": "failure", "Me": "warning"}.get(priority, "info")
        try:
            found: Any = self._apprise.notify(title=title, body=body, notify_type=kind, body_format=self._format)
        except Exception as error:  # of a service of Apprise's hundred: it ends no thread of ours
            return f"{type(error).__name__} in Apprise"
        return "" if found else "not taken: check its URLs, and whether this machine reaches them"


def _urls(path: Path, where: str) -> list[tuple[int, str]]:
    """Lines of a file that are no remark, with their numbers."""
    try:
        with path.expanduser().open(encoding="utf-8") as file:
            lines = file.read(MAX_FILE_BYTES).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no text"
        raise ConfigError(f"{where}: cannot read {path}: {reason}; give a file with a URL of Apprise a line") from None
    found = [(number, line.strip()) for number, line in enumerate(lines, 1)]
    found = [(number, line) for number, line in found if line and not line.startswith("#")]
    if not 0 < len(found) <= MAX_URLS:
        raise ConfigError(f"{where}: expected 1 to {MAX_URLS} URLs in {path}, one a line, found {len(found)}")
    return found


class Sender:
    """One receiver: its queue and its thread."""

    def __init__(self, receiver: Receiver, board: str, is_news: Callable[[Notice], bool]) -> None:
        """Prepare; `is_news` says of a notice that waited whether nobody has answered the alarm yet.

        Raises:
            ConfigError: its URLs cannot be used.
        """
        self.service, self.selection = AppriseService(receiver), Selection(receiver)
        self.state = ReceiverState(receiver.name, 0, None, "")
        self._board, self._is_news = board, is_news
        self._queue: queue.Queue[tuple[Notice, float, int] | None] = queue.Queue(MAX_WAITING)
        self._limited_log = RateLimitedLog(logger)

    def put(self, notice: Notice, now_s: float) -> bool:
        """Take one, if there is room; nobody waits."""
        try:
            self._queue.put_nowait((notice, now_s, self.selection.held))
        except queue.Full:
            self.selection.held += 1
            return False
        self.selection.held = 0
        return True

    def run(self, stop: threading.Event, done: Callable[[Notice], None]) -> None:
        """Until `stop` is set; `done` is called with each that was taken or is no news any more."""
        while not stop.is_set():
            try:
                item = self._queue.get(timeout=0.2)
            except queue.Empty:
                continue
            if item is not None and self._deliver(*item, stop):
                done(item[0])

    def _deliver(self, notice: Notice, at_s: float, held: int, stop: threading.Event) -> bool:
        """Try until it is taken, or is no news; false if that was interrupted."""
        wait_s = RETRY_MIN_S
        title, body = text_of(notice, self._board, held)
        while failure := self.service.send(title, body, notice.priority):
            self.state = ReceiverState(self.state.name, self.state.sent, self.state.sent_s, failure)
            self._limited_log.log("send", f'board notify=failed receiver="{self.state.name}" reason="{failure}"')
            if stop.wait(wait_s):
                return False
            wait_s = min(2 * wait_s, RETRY_MAX_S)
            if time.monotonic() - at_s > GIVE_UP_S or not self._is_news(notice):
                return True
        if self._limited_log.clear("send"):
            logger.info('board notify=back receiver="%s"', self.state.name)
        self.state = ReceiverState(self.state.name, self.state.sent + 1, time.monotonic(), "")
        return True


class Notifier:
    """All receivers of a board, and what they were sent."""

    def __init__(self, settings: BoardSettings) -> None:
        """Prepare; nothing is sent before `start`.

        Raises:
            ConfigError: a receiver's URLs cannot be used.
            ImportError: Apprise is not installed.
        """
        self._senders = [Sender(each, settings.title, self._is_news) for each in settings.notify]
        effects = "what lasts is sent once more", "what lasts is sent again after a restart"
        self._file = StateFile(settings.notified_path(), "board notified", _ALARMS.validate_json, effects)
        self._mutex, self._stop = threading.Lock(), threading.Event()
        self._dirty, self._ended = threading.Event(), threading.Event()
        self._pending: Counter[str] = Counter()  # notices on their way, by alarm
        self._stored = (self._file.read() if self._senders else None) or {}
        self._last = dict(self._stored)
        self._saver = threading.Thread(target=self._save, name="notify-state", daemon=True)
        self._threads = [
            threading.Thread(target=each.run, args=(self._stop, self._done), name="notify", daemon=True)
            for each in self._senders
        ]

    def start(self) -> None:
        """Begin to send."""
        if not self._senders:
            return
        for thread in (self._saver, *self._threads):
            thread.start()

    def stop(self) -> None:
        """End; what is on its way is sent after the next start."""
        self._stop.set()
        if not self._senders:
            return
        for thread in self._threads:
            thread.join(STOP_S)
        self._ended.set()
        self._dirty.set()
        self._saver.join(STOP_S)

    def states(self) -> tuple[ReceiverState, ...]:
        """How it goes."""
        return tuple(sender.state for sender in self._senders)

    def failing(self) -> tuple[str, ...]:
        """Names of receivers that take nothing."""
        return tuple(each.name for each in self.states() if each.trouble)

    def push(self, address: Address, body: AlarmMessage, wall_s: float, is_stored: bool) -> None:
        """Look at an alarm's state; nobody waits.

        Args:
            address: of the bed, or of the node itself.
            body: the state.
            wall_s: now, seconds since 1970.
            is_stored: whether the broker had it before; it may be old then.
        """
        if not self._senders or (is_stored and wall_s >= body.valid_until):
            return
        key = key_of(address, body.condition)
        with self._mutex:
            before = self._last.get(key)
            notified, notice = look_at(before, address, body)
            if notified is not before:
                self._take(key, notified, notice, wall_s)

    def push_gone(self, found: Mapping[Address, Notice | None], wall_s: float) -> None:
        """Look at which boxes are gone (`edge.server.board.gone`); each is notified once, until it is back."""
        if not self._senders:
            return
        with self._mutex:
            for address, notice in found.items():
                key = key_of(address, GONE)
                before = self._last.get(key)
                was_gone = before is not None and before.signal == "On"
                if was_gone != (notice is not None):
                    signal: Signal = "Off" if notice is None else "On"
                    self._take(key, Notified(None, None, 0, "", signal, False), notice, wall_s)

    def _take(self, key: str, notified: Notified, notice: Notice | None, wall_s: float) -> None:
        """Remember what is known of an alarm now, and hand a notice of it to whoever wants it."""
        if key not in self._last and len(self._last) >= MAX_ALARMS:
            oldest = next(iter(self._last))
            del self._last[oldest]
            self._stored.pop(oldest, None)
        self._last[key] = notified
        if notice is not None:
            now_s, local = time.monotonic(), time.localtime(wall_s)
            minute = 60 * local.tm_hour + local.tm_min
            takers = (each for each in self._senders if each.selection.takes(notice, now_s, minute))
            self._pending[key] += sum(each.put(notice, now_s) for each in takers)
        self._store_delivered(key)

    def _is_news(self, notice: Notice) -> bool:
        """Whether nobody has answered it, and it is no other episode."""
        with self._mutex:
            last = self._last.get(notice.key)
        return last is not None and last.episode == notice.episode and last.signal in ("On", "Latch")

    def _done(self, notice: Notice) -> None:
        with self._mutex:
            self._pending[notice.key] -= 1
            self._store_delivered(notice.key)

    def _store_delivered(self, key: str) -> None:
        """Remember an alarm for the next start, once nothing of it is on its way."""
        if self._pending[key] > 0:
            return
        del self._pending[key]
        if key in self._last:
            self._stored[key] = self._last[key]
            self._dirty.set()

    def _save(self) -> None:
        is_last = False
        while not is_last:
            self._dirty.wait()
            is_last = self._ended.is_set()
            self._dirty.clear()
            with self._mutex:
                stored = dict(self._stored)
            self._file.write(_ALARMS.dump_json(stored))
            self._ended.wait(SAVE_S)
