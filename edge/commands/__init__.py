"""What the commands of `laennec` share: exit codes, options, signals. One module for each command.

Not for work: a command reads its arguments, calls one module and prints.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from edge.settings.names import STANDARD_INPUT, model_path

EXIT_MISTAKE = 2
EXIT_INTERRUPTED = 130

ModelOption = Annotated[
    Path | None,
    typer.Option(
        "--model",
        parser=model_path,
        metavar="MODEL",
        help="`default` or `light`, the bundled ones, or a model artefact (.onnx); without it, the bundled default.",
    ),
]
RuntimeOption = Annotated[
    str | None, typer.Option("--runtime", help="What runs the model: auto (default), onnxruntime or tensorrt.")
]
AdaptationOption = Annotated[
    Path | None,
    typer.Option("--adaptation", help="What `laennec adapt` made for the device that recorded it.", readable=False),
]
ChannelOption = Annotated[int | None, typer.Option("--channel", help="Which channel of several, counted from 1.")]
JsonlOption = Annotated[bool, typer.Option("--jsonl", help="JSON lines instead of a table.")]


def overridden(tree: dict[str, Any], options: Mapping[str, Mapping[str, object]]) -> dict[str, Any]:
    """Settings of a file, overridden by what the command line says of sections; None: it says nothing."""
    merged = {**tree}
    for section, values in options.items():
        arguments = {key: value for key, value in values.items() if value is not None}
        before = tree.get(section) or {}
        if arguments and isinstance(before, dict):  # a section that is something else is refused with the file
            merged[section] = {**before, **arguments}
    return merged


def sound_path(text: str) -> Path:
    """What a command that reads sound files was given: `-` is standard input, `./-` a file, as is whatever else."""
    path = Path(text)
    return path.absolute() if str(path) == STANDARD_INPUT != text else path


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set; a second one ends the process at once."""
    stop = threading.Event()

    def on_signal(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
