"""`laennec spectrogram`: a picture of a sound file as the model gets it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.commands import (
    EXIT_INTERRUPTED,
    ChannelOption,
    ModelOption,
    sound_path,
    stop_on_signals,
)

FRONT_END_HELP = "log-mel, pcen, gammatone, morlet, morse, hear or SPEC.json; default: the model's."


def spectrogram(  # noqa: PLR0913 - the options of the command
    file: Annotated[str, typer.Argument(metavar="FILE", help="A sound file.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="File of the picture: .png, .pdf, .svg ...", readable=False)
    ],
    frontend: Annotated[str | None, typer.Option(help=FRONT_END_HELP)] = None,
    events: Annotated[bool, typer.Option("--events", help="Also detect, and draw the events.")] = False,
    from_s: Annotated[float, typer.Option("--from", metavar="S", help="Begin of the part to draw, seconds.")] = 0.0,
    to_s: Annotated[float | None, typer.Option("--to", metavar="S", help="End of the part to draw, seconds.")] = None,
    channel: ChannelOption = None,
    model: ModelOption = None,
) -> None:
    """Draw the spectrogram of a sound file as the model gets it, with the detected events if asked for."""
    with stop_on_signals() as stop:
        from edge.artefact.model import load_model
        from edge.pictures import spectrogram as pictures
        from edge.pictures.drawing import check_output, draw
        from edge.pictures.picture import picture_options

        check_output(output)
        artefact = load_model(model) if events or frontend is None else None
        options = picture_options(sound_path(file), frontend, artefact, channel, (from_s, to_s))
        picture = pictures.spectrogram(options, stop)
        found = pictures.detected_events(picture, artefact, stop) if events and artefact is not None else None
        if stop.is_set():
            raise typer.Exit(EXIT_INTERRUPTED)
        draw(picture, found, output)
        if picture.broken is not None:
            raise picture.broken
