"""What watches a node: the second model beside the live one, and the port of the metrics.

Not for the self-test (`edge.doctor.self_test`). A port is tried by taking it for an instant, without listening; where
the service runs, its page is asked for instead.
"""

from __future__ import annotations

import socket
from contextlib import closing
from http.client import HTTPConnection, HTTPException

from edge.artefact.model import Model
from edge.doctor import Check, fail, ok, warn
from edge.errors import LaennecError
from edge.node.shadow import load_shadow
from edge.settings.config import Config
from edge.settings.watching import Metrics

TIMEOUT_S = 5.0


def shadow(config: Config, live: Model) -> list[Check]:
    """Whether the second model of the settings loads, and hears what the live one hears; nothing without one."""
    try:
        other = load_shadow(config, live)
    except LaennecError as error:
        return [fail("shadow", f"{error}; the live model would work alone", "change `shadow`, or copy it again")]
    if other is None:
        return []
    found = f"{other.id}, sha256 {other.sha256[:12]}, {other.runtime}; beside {live.id} ({live.sha256[:12]})"
    if other.sha256 == live.sha256:
        return [warn("shadow", f"{found}: it is the live model itself", "name another artefact as `shadow`, or none")]
    return [ok("shadow", found)]


def metrics(settings: Metrics, is_running: bool) -> list[Check]:
    """Whether the port of the metrics can be had, or is that of the running service; nothing without one.

    Args:
        settings: the section `metrics`.
        is_running: whether the service runs.
    """
    if settings.port is None:
        return []
    where = f"{settings.host}:{settings.port}"
    if is_running and _is_answered(settings.host, settings.port):
        return [ok("metrics", f"{where}: the running service answers")]
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        with closing(socket.socket(family, socket.SOCK_STREAM)) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((settings.host, settings.port))
    except OSError as error:
        advice = "choose another metrics.port or metrics.host, or end the program that has it: ss -ltnp"
        return [fail("metrics", f"{where}: cannot be had ({error.strerror or error})", advice)]
    if is_running:
        advice = "restart it; if that does not help, its log says why"
        return [warn("metrics", f"{where}: free, though the service runs", advice)]
    return [ok("metrics", f"{where}: free")]


def _is_answered(host: str, port: int) -> bool:
    """Whether a page of metrics of a node is there."""
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    with closing(HTTPConnection(here, port, timeout=TIMEOUT_S)) as connection:
        try:
            connection.request("GET", "/metrics")
            return b"laennec_uptime_seconds" in connection.getresponse().read()
        except (OSError, HTTPException):
            return False
