"""`laennec spectrogram`: a picture of a sound file as the model gets it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.commands import (
    EXIT_INTERRUPTED,
    ChannelOption,
    ModelOption,
    sound_path,
    stop_on_signals,
)
from edge.errors import LaennecError

if TYPE_CHECKING:
    import threading

    from edge.artefact.model import Model
    from edge.pictures.picture import DetectedEvent, Spectrogram

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
        found = _events(picture, artefact, stop) if events and artefact is not None else None
        if stop.is_set():
            raise typer.Exit(EXIT_INTERRUPTED)
        draw(picture, found, output)
        if picture.broken is not None:
            raise picture.broken


def _events(picture: Spectrogram, model: Model, stop: threading.Event) -> list[DetectedEvent]:
    """The events that the detector finds in the whole file and that overlap the stretch that is drawn.

    Raises:
        LaennecError: as `edge.api.detect.detect_file`, but for what the picture knows already.
    """
    from edge.api.detect import detect_file
    from edge.api.detector import Detector
    from edge.api.recording import Event, drawn

    found, options = list[Event](), picture.options
    try:
        items = detect_file(options.path, Detector(model), options.channel, stop)
        found += (item for item in items if isinstance(item, Event))
    except LaennecError:
        if picture.broken is None:
            raise
    return drawn(found, model, (options.from_s, picture.to_s))
