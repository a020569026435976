"""A node of two streams, one of which hangs after a second: in its source, or in the detector."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.commands import stop_on_signals
from edge.delivery.outbox import Outbox
from edge.log import setup
from edge.node.service import Service
from edge.node.systemd import Notifier
from edge.settings.node import parse_config
from edge.sources.source import Wait
from edge.types import Block, Chunk, Gap
from tests.edge.fakes import Answer, Bursts, LoudnessModel

HANG_S = 3600.0


class StuckSource(Bursts):
    """Gives a second of sound, then never looks at its `stop` again."""

    def blocks(self, stop: threading.Event) -> Iterator[Block | Gap | Wait]:
        """As its parent, and then nothing."""
        yield from super().blocks(stop)
        threading.Event().wait(HANG_S)


class StuckModel(LoudnessModel):
    """Hangs in the thread that scores."""

    def score(self, chunk: Chunk, state: NDArray[np.float32]) -> Answer:
        """As its parent, until a chunk that begins after a second."""
        if chunk.start > self.rate_hz / self.spec.hop_samples:
            threading.Event().wait(HANG_S)
        return super().score(chunk, state)


def main(where: str, port: str, outbox: str) -> None:
    """Run until a signal comes."""
    setup()
    streams = [{"id": name, "source": "bursts"} for name in ("good", "bad")]
    config = parse_config({"node": "node", "streams": streams, "mqtt": {"port": int(port)}}, "test")
    store = Outbox(Path(outbox), config.outbox.max_mb, config.outbox.max_age_h)
    bad = StuckSource(1, True) if where == "source" else Bursts(HANG_S, True)
    model = LoudnessModel() if where == "source" else StuckModel()
    with stop_on_signals() as stop, closing(store):
        service = Service(config, model, [Bursts(HANG_S, True), bad], store, Notifier.from_environment())  # type: ignore[arg-type]
        print(service.run(stop).totals, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
