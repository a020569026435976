"""A real broker and an ordinary client; what tests of one module have, too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edge.commands.demo_broker import Broker
from tests.edge import conftest as edge
from tests.edge.conftest import Watcher
from tests.edge.sources import conftest as sources

bridge, lines, port = sources.bridge, edge.lines, sources.port
installed, signer, two = edge.installed, edge.signer, edge.two


@pytest.fixture
def broker() -> Iterator[Broker]:
    """mosquitto; a machine that tests must have it."""
    with Broker("mosquitto") as running:
        yield running


@pytest.fixture
def watcher(broker: Broker) -> Iterator[Watcher]:
    """A client of that broker."""
    client = Watcher(broker.port)
    yield client
    client.close()
