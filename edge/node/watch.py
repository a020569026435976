"""How a running node is watched, beside its health: by itself (`edge.node.self_test`) and by Prometheus.

Not for the beds: whatever fails here is told, and they are heard as before. What is off in the settings is not there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from edge.artefact.model import Model
from edge.contract.fields import Body
from edge.delivery.dispatch import Dispatch
from edge.delivery.messages import Node
from edge.errors import LaennecError
from edge.node.reports import Reports
from edge.node.self_test import LABEL, SelfTest, can_test
from edge.node.stream_status import StreamView
from edge.settings.config import Config

if TYPE_CHECKING:
    from edge.node.metrics_server import MetricsServer

logger = logging.getLogger(__name__)


class Watch:
    """Self-test and metrics of one node; `start` and `stop` once each."""

    def __init__(
        self, config: Config, model: Model, node: Node, dispatch: Dispatch, beds: Sequence[StreamView]
    ) -> None:
        """Prepare what the settings want; nothing listens yet.

        Args:
            config: the settings.
            model: that hears the beds.
            node: who speaks.
            dispatch: the way to the broker; not started yet.
            beds: the streams of the settings.
        """
        self._settings = config.metrics
        self._metrics: MetricsServer | None = None
        self.tests: list[SelfTest] = []
        """Virtual beds, which are to be read and scored beside the others: none or one."""
        if config.self_test.every_s and (test := _self_test(config.self_test.every_s, model, node, dispatch, beds)):
            self.tests.append(test)

    def start(self, reports: Callable[[], Reports]) -> None:
        """Answer Prometheus from now on.

        Args:
            reports: what the node says of itself now; called from another thread.
        """
        if self._settings.port is None:
            return
        from edge.node.metrics_server import MetricsServer  # half a second, for those who want it

        self._metrics = MetricsServer(self._settings, reports)
        self._metrics.start()

    def tick(self) -> None:
        """Look how the test goes; call it every second or so."""
        for test in self.tests:
            test.tick()

    def stop(self) -> None:
        """Listen no more."""
        if self._metrics is not None:
            self._metrics.stop()

    @property
    def has_missed(self) -> bool | None:
        """Whether the last self-test was missed; None if there was none."""
        return self.tests[0].has_missed if self.tests else None

    def complete(self, health: Body) -> Body:
        """The health of a node, with what is known here."""
        checks = health["checks"]
        if self._metrics is not None:
            checks["metrics"] = "ok" if self._metrics.is_well else "crit"
        for test in self.tests:
            health["self_test"] = test.body()
        if self.has_missed is not None:
            checks["self_test"] = "crit" if self.has_missed else "ok"
        return health


def _self_test(
    every_s: float, model: Model, node: Node, dispatch: Dispatch, beds: Sequence[StreamView]
) -> SelfTest | None:
    if not can_test(model):
        logger.warning("self_test=off; the model has no class %s, which the bundled sound is of", LABEL)
        return None
    try:
        return SelfTest(every_s, model, node, dispatch, beds)
    except LaennecError as error:
        logger.error('self_test=off reason="%s"; install again', error)
        return None
