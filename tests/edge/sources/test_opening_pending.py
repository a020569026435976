"""A microphone that is missing at the start is looked for; nothing else is forgiven."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from edge.errors import ConfigError, SourceError
from edge.sources.opening import PendingSource, open_or_retry
from edge.sources.source import read_source
from edge.types import Block, Gap

BLOCK = Block(0, np.zeros(10, np.float32), np.ones(10, np.bool_))


class Found:
    """Stands for a microphone that opened."""

    name = "mic"

    def __init__(self) -> None:
        self.closed = False

    def blocks(self, stop: threading.Event) -> Iterator[Block | Gap]:
        yield BLOCK

    def close(self) -> None:
        self.closed = True


class Shop:
    """Opens nothing until it was asked `until` times."""

    def __init__(self, until: int, error: Exception | None = None) -> None:
        self.attempts, self.until, self.error = 0, until, error or SourceError("no such device")
        self.found = Found()

    def look(self) -> Found:
        self.attempts += 1
        if self.attempts <= self.until:
            raise self.error
        return self.found


def test_a_microphone_that_comes_later_is_heard_from_then_on(caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop(until=3)
    source = open_or_retry("mic:USB", shop.look)
    assert isinstance(source, PendingSource)
    source._retry_s = (0.0,)
    assert list(read_source(source, threading.Event())) == [BLOCK]
    assert shop.attempts == 4
    source.close()
    assert shop.found.closed


def test_what_opens_at_once_is_taken_as_it_is() -> None:
    shop = Shop(until=0)
    assert open_or_retry("mic", shop.look) is shop.found


@pytest.mark.parametrize(("text", "error"), [("none.wav", SourceError("gone")), ("mic", ConfigError("no channel 3"))])
def test_a_missing_file_or_a_mistake_is_an_error_at_once(text: str, error: Exception) -> None:
    with pytest.raises(type(error)):
        open_or_retry(text, Shop(until=9, error=error).look)


def test_a_mistake_that_shows_when_it_is_found_ends_the_stream() -> None:
    shop = Shop(until=1)
    source = PendingSource("mic", shop.look, (0.0,))
    shop.error = ConfigError("no channel 3")
    with pytest.raises(ConfigError):
        list(read_source(source, threading.Event()))


def test_the_search_ends_when_it_is_told_to_and_when_it_is_closed() -> None:
    stop = threading.Event()
    shop = Shop(until=9)
    stop.set()
    assert list(read_source(PendingSource("mic", shop.look), stop)) == []
    closed = PendingSource("mic", shop.look, (0.0,))
    closed.close()
    assert list(read_source(closed, threading.Event())) == []
    assert shop.attempts == 0


def test_one_that_opens_while_it_is_closed_is_released() -> None:
    shop = Shop(until=0)
    source = PendingSource("mic", shop.look, (0.0,))

    def look() -> Found:
        source.close()
        return shop.look()

    source._open_now = look
    list(read_source(source, threading.Event()))
    assert shop.found.closed


def test_the_search_looks_at_stop_often_enough_to_have_a_pulse() -> None:
    waits, source = list[float | None](), PendingSource("mic", Shop(until=9).look, (600.0,))

    class Counting(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout)
            if len(waits) == 3:
                self.set()
            return self.is_set()

    assert list(read_source(source, Counting())) == []
    assert len(waits) == 3
    assert all(each is not None and each <= 0.2 for each in waits)
