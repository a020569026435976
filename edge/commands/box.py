"""Commands for this machine: `laennec bench`, `laennec devices`, `laennec doctor`.

How many beds it sustains with each runtime and variant of the model; its microphones; checks of all that a node needs,
each with what to do.
"""

from __future__ import annotations

import logging
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.commands import ModelOption, RuntimeOption

if TYPE_CHECKING:
    from edge.commands.doctor.examine import DoctorOptions
    from edge.node.capacity import Played

HEAD = f"{'model':<8} {'variant':<14} {'beds':>5} {'p50 ms':>7} {'p99 ms':>7} {'of a core':>9} {'left out':>8}"


def bench(
    beds: Annotated[
        int | None, typer.Option(min=1, max=4096, help="Play so many; without it, the most are searched for.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="For how long each number is measured.")] = 10.0,
    model: ModelOption = None,
    runtime: RuntimeOption = None,
) -> None:
    """Play beds in real time and say how many this box sustains: decided in time, with 30 % of a core to spare.

    Late is a chunk that is decided more than 0.48 s after its last sound came; p99 says by when 99 in 100 were. What
    is found is stored, and `laennec run` warns about more streams than that. Without --model both bundled models are
    played, `default` and `light`. Stop what else the box does not do at the
    bedside before; the sound is synthetic, and broker and disk are not measured.
    """
    from edge.detector.recording import samples_of
    from edge.detector.warm import warm_up
    from edge.log import setup
    from edge.model.model import DEFAULT_PATH, LIGHT_PATH, Model
    from edge.model.onnx_file import read_artefact
    from edge.model.runtime import open_backend, variants_here
    from edge.node.capacity import play, save_capacity, search
    from edge.sources.file_search import DEMO_AUDIO

    setup()
    logging.getLogger("edge.node").setLevel(logging.CRITICAL)  # what a bed finds, and that too many are too many
    warm_up()
    bundled = [path for path in (DEFAULT_PATH, LIGHT_PATH) if path.exists()]
    models = {path: variants_here(path, runtime or "auto", _print) for path in ([model] if model else bundled)}
    print(HEAD)
    for path, (artefacts, device) in models.items():
        for artefact in artefacts:
            gpu = device if artefact.variant.runtime == "tensorrt" else None
            loaded = Model(read_artefact(artefact.path), open_backend(artefact, gpu))
            sound, name = samples_of(DEMO_AUDIO, loaded.rate_hz), f"{path.stem:<8} {artefact.variant.name:<14}"
            if beds is not None:
                print(_row(name, play(loaded, beds, seconds, sound)), flush=True)
                continue
            best = search(partial(play, loaded, seconds=seconds, sound=sound), _print_row)
            print(_row(name, best) if best else f"{name} not even a few beds are sustained", flush=True)
            save_capacity(loaded, best.beds if best else 0)


def _print(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _print_row(one: Played) -> None:
    _print(_row(" " * 23, one))


def _row(name: str, one: Played) -> str:
    verdict = "" if one.is_sustained else "  TOO MANY"
    return (
        f"{name} {one.beds:5d} {one.p50_ms:7.0f} {one.p99_ms:7.0f} {100 * one.share:7.0f} % "
        f"{one.left_out_s:6.0f} s{verdict}"
    )


ADVICE = """no microphone found
-> plug one in; `arecord -l` (apt install alsa-utils) shows what the system itself sees
-> if it sees one that is missing here: this user must be in the group audio, and no other program may hold it
-> a stethoscope with a microcontroller is no microphone: laennec link monitor --serial PORT"""


def devices() -> None:
    """List the microphones that `--source mic:DEVICE` can take."""
    from edge.sources.microphone import list_devices

    found = list_devices()
    for device in found:
        print(device)
    if not found:
        print(ADVICE)


EXIT_FAIL = 1


def doctor(
    config: Annotated[Path | None, typer.Option(help="Settings (YAML): also check its sources and broker.")] = None,
    model: ModelOption = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of lines.")] = False,
    self_test: Annotated[
        bool, typer.Option("--self-test", help="Also run the detector on a synthetic recording.")
    ] = False,
    listen: Annotated[bool, typer.Option("--listen", help="Also record 10 s from each microphone.")] = False,
) -> None:
    """Check everything that a node needs, and say what to do; exit code 1 if something fails."""
    from edge.commands.doctor.examine import DoctorOptions

    raise typer.Exit(checked(DoctorOptions(config, model, self_test, listen), json))


def checked(options: DoctorOptions, is_json: bool = False) -> int:
    """Print what the checks find; the exit code."""
    from edge.commands.doctor import worst
    from edge.commands.doctor.examine import as_json, as_line, examine

    logging.getLogger("edge").addHandler(logging.NullHandler())  # the checks say what matters
    checks = []
    for check in examine(options):
        checks.append(check)
        if not is_json:
            print(as_line(check), flush=True)
    if is_json:
        print(as_json(checks))
    return EXIT_FAIL if worst(checks) == "fail" else 0
