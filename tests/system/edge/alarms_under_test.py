"""The alarms of a node in a process of their own, at a real broker; burdens come on standard input, a line each."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from edge.delivery.dispatch import Dispatch
from edge.delivery.messages import Node, new_boot_id
from edge.delivery.outbox import Outbox
from edge.log import setup
from edge.node import alarms as alarm_service
from edge.node.alarm_inputs import BedReading, NodeReading, rules_of
from edge.node.alarms import AlarmService, WardReading
from edge.node.past_alarms import past_alarms
from edge.settings.node import parse_config
from tests.edge.conftest import PATIENCE_S

GROUPS = ("continuous", "discontinuous")


class Ward:
    """One bed whose burden is set by hand."""

    def __init__(self, port: int, folder: Path, **burden: object) -> None:
        """Prepare a node with one bed.

        Args:
            port: of the broker.
            folder: where outbox and log lie.
            burden: settings of the alarm of continuous sounds.
        """
        self.burden: float | None = None
        self.state = "ok"
        mqtt = {"port": port, "reconnect_min_s": 0.1, "reconnect_max_s": 0.3, "will_delay_s": 0}
        alarms = {"burden": {"continuous": {"limit_s_per_min": 6, "priority": "Hi", **burden}}}
        streams = [{"id": "bed1", "source": "none"}]
        config = parse_config(
            {"site": "ward", "node": "node", "streams": streams, "mqtt": mqtt, "alarms": alarms}, "test"
        )
        self.outbox = Outbox(folder / "outbox.db", 10, 1)
        node = Node("laennec/v1", "ward", "node", "Test", new_boot_id(), "00000000")
        self.dispatch = Dispatch(self.outbox, node, config.mqtt)
        self.alarms = AlarmService(rules_of(config, GROUPS), past_alarms(self.outbox, node), node, self.dispatch)
        self._thread, self._stopping = threading.Thread(target=self._run, daemon=True), threading.Event()

    def start(self) -> None:
        """Begin to look and to publish."""
        self.dispatch.start()
        self.alarms.start(self.look)
        self._thread.start()

    def _run(self) -> None:
        """As the loop of a node."""
        while not self._stopping.is_set():
            self.alarms.work(0.05)

    def look(self) -> WardReading:
        """What the alarms see."""
        bed = BedReading(self.state, burden={"continuous": self.burden})
        return WardReading({"bed1": bed}, NodeReading(self.outbox.status, 0, True, is_stalled=self.dispatch.is_stalled))

    def stop(self) -> None:
        """End in order."""
        self._stopping.set()
        self._thread.join(PATIENCE_S)
        self.alarms.stop()
        self.dispatch.stop()
        self.dispatch._thread.join(PATIENCE_S)  # which a slow disk may hold up
        self.outbox.close()


def main(port: str, folder: str) -> None:
    """Run until standard input ends."""
    setup()
    alarm_service.LOOK_S = 0.02
    ward = Ward(int(port), Path(folder))
    ward.start()
    for line in sys.stdin:
        ward.burden = None if line.strip() == "unknown" else float(line)
    ward.stop()
    assert threading.active_count() == 1


if __name__ == "__main__":
    main(*sys.argv[1:])
