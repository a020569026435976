"""Runs the board: uvicorn on the address of the settings, until it is stopped.

Not for what it serves (`edge.server.board.app`). The address is bound before anything else, so that one that is taken
is one clear line.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from edge.errors import ConfigError
from edge.server.board.access import Audit
from edge.server.board.app import make_app
from edge.server.board.connections import BACKLOG, Connection, Listener, Slots
from edge.server.board.service import Board
from edge.server.board.users import UsersFile
from edge.settings.board import BoardSettings, Listen

STOP_S = 1  # how long open streams may take to end
LATE_S = 8.0  # how long all may take; its unit would kill it after 10
LOOK_S = 0.2

logger = logging.getLogger(__name__)


def serve(settings: BoardSettings, stop: threading.Event, on_ready: Callable[[str], None]) -> None:
    """Serve until `stop` is set.

    Args:
        settings: of the board.
        stop: ends it.
        on_ready: called with the address for a browser, once it can be opened.

    Raises:
        ConfigError: address, certificate, users or the broker's secrets are not what they must be.
    """
    users = None if settings.users is None else UsersFile(settings.users)
    audit = Audit(settings.audit_path())
    listen = settings.listen
    app = make_app(settings, users, audit)
    with _bound(listen) as bound:
        config = uvicorn.Config(
            app,
            http=Connection,
            log_config=None,
            access_log=False,
            server_header=False,
            ws="none",
            proxy_headers=bool(listen.proxies),
            forwarded_allow_ips=list(listen.proxies),
            timeout_graceful_shutdown=STOP_S,
            lifespan="on",
            ssl_certfile=listen.cert,
            ssl_keyfile=listen.key,
        )
        try:
            config.load()
        except OSError as error:
            raise ConfigError(f"listen.cert, listen.key: cannot be used: {error}") from None
        late = threading.Timer(LATE_S, _leave)
        late.daemon = True
        scheme, port = "https" if listen.is_encrypted else "http", bound.getsockname()[1]
        host = f"[{listen.host}]" if ":" in listen.host else listen.host
        try:
            server, slots = uvicorn.Server(config), Slots(listen.proxies)
            listener = Listener(
                bound,
                config.ssl,
                slots,
                lambda slot: Connection((config, server.server_state, server.lifespan.state), slot, slots),
            )
            ready = functools.partial(on_ready, f"{scheme}://{host}:{port}/")
            asyncio.run(_until(server, listener, stop, ready, app.state.watch, late))
        finally:
            late.cancel()
            audit.close()


def _leave() -> None:
    """End the process: a thread of it may wait for a disk that is gone, or compile what draws a clip, for minutes."""
    logger.error("board end=late; a thread still worked after %.0f s and was not waited for", LATE_S)
    os._exit(1)


async def _until(
    server: uvicorn.Server,
    listener: Listener,
    stop: threading.Event,
    on_ready: Callable[[], None],
    watch: Board,
    late: threading.Timer,
) -> None:
    running = asyncio.create_task(server.serve([]))  # it accepts nothing: the listener does
    while not server.started and not running.done():
        await asyncio.sleep(LOOK_S / 10)
    if server.started:
        listening = asyncio.create_task(listener.run())
        on_ready()
        while not (stop.is_set() or server.should_exit or listening.done()):  # uvicorn takes the signals, too
            await asyncio.sleep(LOOK_S)
        late.start()
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
    for hub in (watch.hub, watch.beds):  # streams never end by themselves
        hub.close()
    server.should_exit = True
    await running


def _bound(listen: Listen) -> socket.socket:
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((listen.host, listen.port))
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        reason = error.strerror or error
        raise ConfigError(f"listen: cannot use {listen.host}:{listen.port}: {reason}; choose another port") from None
    return bound
