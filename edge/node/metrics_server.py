"""`/metrics` over HTTP, for Prometheus: one thread, one answer at a time, all else cut off.

Not for what the metrics are (`edge.node.metrics`). Whoever asks and then hangs, or asks all the time, costs nobody
anything: an exchange is cut off after `EXCHANGE_S`, the text is made at most once in `FRESH_S`, and connections beyond
those that the kernel queues are refused by it.
"""

from __future__ import annotations

import logging
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

from prometheus_client import PROCESS_COLLECTOR, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from edge.log import RateLimitedLog
from edge.node.metrics import metrics_of
from edge.node.reports import Reports
from edge.settings.watching import Metrics

EXCHANGE_S = 2.0
FRESH_S = 1.0
LOOK_S = 0.2  # how soon the thread notices the end

logger = logging.getLogger(__name__)


class MetricsServer(Collector):  # which is what the text is made of
    """The listener; `start` and `stop` once each."""

    def __init__(self, settings: Metrics, reports: Callable[[], Reports]) -> None:
        """Nothing listens before `start`.

        Args:
            settings: address, with a port.
            reports: what the node says of itself now; called from the thread of this.
        """
        self._settings, self._reports = settings, reports
        self._text, self._made_s = b"", -FRESH_S
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._limited_log = RateLimitedLog(logger)

    @property
    def is_well(self) -> bool:
        """Whether it listens."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Listen; a port that cannot be had is one line in the log, for beds are heard without metrics."""
        host, port = self._settings.host, self._settings.port
        try:
            server = _Server(self, host, port or 0)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            logger.error(
                'metrics port=refused address=%s:%s reason="%s"; choose another metrics.port or metrics.host',
                host,
                port,
                reason,
            )
            return
        self._thread = threading.Thread(target=self._run, args=(server,), name="metrics", daemon=True)
        self._thread.start()
        logger.info("metrics url=http://%s:%s/metrics", host, port)

    def stop(self) -> None:
        """End; an exchange under way is not waited for."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(2 * LOOK_S)

    def collect(self) -> list[Metric]:
        """What the reports say, and memory, processor time and open files of the node."""
        return [*metrics_of(self._reports()), *PROCESS_COLLECTOR.collect()]

    def text(self) -> bytes:
        """The page, `FRESH_S` old at most."""
        if time.monotonic() - self._made_s >= FRESH_S:
            self._text, self._made_s = generate_latest(self), time.monotonic()
        return self._text

    def warn(self) -> None:
        """Log what is wrong with an exchange, rarely."""
        self._limited_log.log("exchange", "metrics exchange=broken; a reader hangs, or left early")

    def _run(self, server: _Server) -> None:
        with server:
            while not self._stopping.is_set():
                server.handle_request()


class _Server(socketserver.TCPServer):
    """One exchange at a time."""

    allow_reuse_address = True
    timeout = LOOK_S

    def __init__(self, metrics: MetricsServer, host: str, port: int) -> None:
        self.metrics = metrics
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Exchange)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Answer, in `EXCHANGE_S` all told, however slowly the other reads or writes."""
        cut = threading.Timer(EXCHANGE_S, _cut, (request,))
        cut.daemon = True
        cut.start()
        try:
            super().finish_request(request, client_address)
        finally:
            cut.cancel()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say it in the log and go on."""
        self.metrics.warn()


class _Exchange(BaseHTTPRequestHandler):
    """One request."""

    server: _Server
    timeout = EXCHANGE_S
    server_version, sys_version = "laennec", ""

    def do_GET(self) -> None:
        """The page, or that there is none."""
        if self.path.partition("?")[0] != "/metrics":
            return self.send_error(404, "expected /metrics")
        text = self.server.metrics.text()
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE_LATEST)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args: Any, **kwargs: Any) -> None:
        """Each scrape is no event."""


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it is closed already
