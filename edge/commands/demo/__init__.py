"""`laennec demo`: a synthetic recording through the detector and a broker."""

from __future__ import annotations

from typing import Annotated

import typer

from edge.commands import ModelOption, RuntimeOption, stop_on_signals


def demo(
    fast: Annotated[bool, typer.Option("--fast", help="As fast as possible, not in real time.")] = False,
    broker: Annotated[str, typer.Option(help="mosquitto, amqtt, or auto.")] = "auto",
    model: ModelOption = None,
    runtime: RuntimeOption = None,
) -> None:
    """Play a synthetic recording through the detector and a broker, and show the events that an MQTT client gets."""
    from edge.commands.demo.play import run_demo

    with stop_on_signals() as stop:
        code = run_demo(fast, broker, (model, runtime), stop)
    if code:
        raise typer.Exit(code)
