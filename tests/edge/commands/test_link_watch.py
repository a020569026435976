"""Watching links: what is opened for it is closed, also when it cannot begin."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

import pytest

from edge.commands.link_table import LinkWarnings
from edge.commands.link_watch import LinkWatch, WatchOptions
from edge.errors import SourceError
from firmware_bridge.links.udp import Udp
from firmware_bridge.receive import Receiver, Settings
from firmware_bridge.report import Report


def _show(report: Report, now_ns: int, warnings: LinkWarnings) -> None:
    """Nothing is shown."""


def test_a_capture_that_is_refused_frees_the_address_at_once(tmp_path: Path) -> None:
    capture = tmp_path / "night.cap"
    capture.write_bytes(b"of last night")
    link = Udp("127.0.0.1", 0)
    with pytest.raises(SourceError, match="exists already"):
        LinkWatch([link], Receiver(Settings(None)), WatchOptions(capture=capture), _show)
    assert link.fileno() is None
    with closing(Udp("127.0.0.1", link.port)) as again:
        assert again.port == link.port
    assert capture.read_bytes() == b"of last night"


def test_links_are_closed_when_the_watch_ends() -> None:
    link, stop = Udp("127.0.0.1", 0), threading.Event()
    stop.set()
    LinkWatch([link], Receiver(Settings(None)), WatchOptions(), _show).run(stop)
    assert link.fileno() is None
