"""`laennec demo`: a recording through the detector and a broker, or a whole ward on the board."""

from __future__ import annotations

from typing import Annotated

import typer

from edge.commands import ModelOption, RuntimeOption, stop_on_signals


def demo(
    fast: Annotated[bool, typer.Option("--fast", help="As fast as possible, not in real time.")] = False,
    broker: Annotated[str, typer.Option(help="mosquitto, amqtt, or auto.")] = "auto",
    model: ModelOption = None,
    runtime: RuntimeOption = None,
    manikin: Annotated[bool, typer.Option("--manikin", help="Play 15 s of a manikin instead.")] = False,
    board: Annotated[bool, typer.Option("--board", help="A ward of eight simulated beds in a browser.")] = False,
    listen: Annotated[int, typer.Option(help="With --board: port for browsers, 0 for a free one.")] = 8080,
) -> None:
    """Play a synthetic recording through the detector and a broker, and show the events that an MQTT client gets."""
    with stop_on_signals() as stop:
        if board:
            from edge.commands.demo_ward import run_ward

            code = run_ward(broker, listen, stop)
        else:
            from edge.commands.demo_play import run_demo

            code = run_demo(fast, manikin, broker, (model, runtime), stop)
    if code:
        raise typer.Exit(code)
