"""`laennec adapt`: from some minutes of a device's sound to the file that makes the model hear it as it knows sound."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from edge.commands import EXIT_INTERRUPTED, ChannelOption, ModelOption, RuntimeOption, stop_on_signals
from edge.errors import ConfigError


def adapt(
    recordings: Annotated[
        Path, typer.Option("--recordings", metavar="FOLDER", help="Sound of one kind of device, on chests.")
    ],
    device: Annotated[str | None, typer.Option(help="Its name, for people; default: the folder's.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where to keep it; default: DEVICE.adaptation.", readable=False)
    ] = None,
    channel: ChannelOption = None,
    model: ModelOption = None,
    runtime: RuntimeOption = None,
) -> None:
    """Measure a device by some minutes of its sound, without labels, and keep an equaliser for it."""
    name = device or recordings.resolve().name
    path = out or Path(re.sub(r"[^A-Za-z0-9._-]+", "-", name) + ".adaptation")
    with stop_on_signals() as stop:
        from edge.artefact.runtime import open_model
        from edge.detector.device import adapt as adapt_device
        from edge.detector.device import measure
        from edge.features import warm_up
        from edge.sources.file_search import sound_files

        if not recordings.is_dir():
            raise ConfigError(f"--recordings {recordings}: is no folder; give one with sound files of the device")
        files = sound_files(recordings)
        warm_up()
        artefact = open_model(model, runtime or "auto")
        measured = measure(files, artefact, channel, stop)
        if stop.is_set():
            raise typer.Exit(EXIT_INTERRUPTED)
        for line in measured.left_out:
            print(f"left out: {line}", file=sys.stderr)
        adaptation, wanted_db = adapt_device(measured, artefact, name)
    try:
        path.write_text(adaptation.to_text(), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--out {path}: cannot be written ({error.strerror}); give another path") from error
    print("\n".join(adaptation.lines()))
    if min(wanted_db) < min(adaptation.equaliser_db) - 1 or max(wanted_db) > max(adaptation.equaliser_db) + 1:
        print(f"  the device lacks more than an equaliser may give: {max(wanted_db):+.0f} dB; expect less of it")
    if artefact.known is not None and adaptation.outside_db[1] > artefact.known.margin_db[2]:
        print("  its spectrum is still outside what the model knows; its streams stay unverified")
    print("  whether the model then finds sounds there, only labelled recordings can say: edge/detector/README.md")
    print(f"kept in {path}; use it:  laennec detect --adaptation {path} FILE,  or in the settings of a stream:")
    print(f"  adaptation: {path.resolve()}")
