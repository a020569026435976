"""`laennec resend`: events of the log once more, for a broker that lost what it had acknowledged."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.commands import EXIT_INTERRUPTED, EXIT_MISTAKE, stop_on_signals

if TYPE_CHECKING:
    from edge.delivery.resend import Progress
    from edge.settings.config import Config

PROGRESS_S = 2.0  # between two lines of progress


def resend(
    since: Annotated[str, typer.Option(metavar="TIME", help="2026-11-21T03:00:00Z, or how long ago: 30min, 2h, 7d.")],
    until: Annotated[str | None, typer.Option(metavar="TIME", help="The same; default: now.")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings (YAML) of the node, with its broker.")] = None,
    outbox: Annotated[Path | None, typer.Option(help="Another outbox than that of the settings.")] = None,
    host: Annotated[str | None, typer.Option(help="Broker; default that of the settings, or 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the broker.")] = None,
    node: Annotated[str | None, typer.Option(help="Name of this node; default: its host name.")] = None,
) -> None:
    """Send again the events of a period, for example after the broker lost data; each is marked `resent`.

    TIME is when a sound began or ended, not when it was delivered: go back too far rather than too little. Consumers
    drop copies by (id, rev). The service may run meanwhile.
    """
    from edge.delivery import resend as work
    from edge.delivery.outbox_reading import outbox_of

    settings = _settings(config, node, host, port)
    path = outbox if outbox is not None else outbox_of(settings)
    period = work.parse_span(since, until, time.time())
    with stop_on_signals() as stop:
        last_s = time.monotonic()

        def show(progress: Progress) -> None:
            nonlocal last_s
            if time.monotonic() - last_s > PROGRESS_S:
                last_s = time.monotonic()
                print(f"{progress.acknowledged} of {progress.total}", file=sys.stderr, flush=True)

        progress = work.resend(settings, path, period, show, stop)
        print(f"{progress.acknowledged} of {progress.total} messages sent again, of events since {period.since}")
        if progress.without_subscriber:
            print(
                f"laennec: the broker took {progress.without_subscriber} of them but has no subscriber for them",
                file=sys.stderr,
            )
        if not progress.reports_refusals:
            print("laennec: this broker speaks MQTT 3.1.1, which reports no refusal: ask a consumer", file=sys.stderr)
        if stop.is_set():
            raise typer.Exit(EXIT_INTERRUPTED)
        if progress.refused:
            advice = "are site, node and user those that the broker knows?"
            print(f"laennec: the broker refused {progress.refused} ({progress.reason}); {advice}", file=sys.stderr)
            raise typer.Exit(EXIT_MISTAKE)


def _settings(path: Path | None, node: str | None, host: str | None, port: int | None) -> Config:
    """Settings of the file, overridden by those of the command line; no stream is opened."""
    from edge.settings.config import parse_config
    from edge.settings.yaml_file import read_yaml

    tree = {"streams": [{"id": "none", "source": "none"}]} if path is None else read_yaml(path)
    if isinstance(tree, dict):
        given = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
        mqtt = tree.get("mqtt") or {}
        tree = {**tree, **({"mqtt": {**mqtt, **given}} if given and isinstance(mqtt, dict) else {})}
        tree |= {"node": node} if node is not None else {}
    return parse_config(tree, str(path or "command line"), path and path.parent)
