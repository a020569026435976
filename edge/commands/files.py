"""Commands for sound files: `laennec detect`, `laennec adapt`, `laennec spectrogram`.

Their events, as a table or JSON lines; from minutes of a device's sound the file that makes the model know it; a
picture of what the model gets.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.commands import (
    EXIT_INTERRUPTED,
    EXIT_MISTAKE,
    AdaptationOption,
    ChannelOption,
    JsonlOption,
    ModelOption,
    RuntimeOption,
    sound_path,
    stop_on_signals,
)
from edge.errors import ConfigError, LaennecError

if TYPE_CHECKING:
    from edge.api.detector import Detector
    from edge.api.recording import BreathRate, Event, Quality
    from edge.types import Scores

    Items = Generator[Event | Scores | BreathRate, None, Quality]
    import threading

    from edge.model.model import Model
    from edge.pictures.spectrogram import DetectedEvent, Spectrogram

FILES_HELP = "Sound files, folders of them, or - for standard input."
RATE_HELP = "The respiratory rate instead of events, each 5 s of a file (JSON lines)."
SCORES_HELP = "Also the score of every class, each 32 ms (JSON lines)."
BREATH_HELP = "Each minute and all of a file: rate, breathing with sounds (JSON lines); no vital sign."
ROW_HEAD = f"{'onset s':>9} {'end s':>9}  {'sound':<15} {'score':>5}"


def detect(  # noqa: PLR0913 - the options of the command
    files: Annotated[list[str], typer.Argument(metavar="FILE", help=FILES_HELP)],
    jsonl: JsonlOption = False,
    scores: Annotated[bool, typer.Option("--scores", help=SCORES_HELP)] = False,
    rate: Annotated[bool, typer.Option("--rate", help=RATE_HELP)] = False,
    breath: Annotated[bool, typer.Option("--breath", help=BREATH_HELP)] = False,
    channel: ChannelOption = None,
    model: ModelOption = None,
    runtime: RuntimeOption = None,
    adaptation: AdaptationOption = None,
) -> None:
    """Print the events of sound files, at full speed and without a broker."""
    if rate + scores + breath > 1:
        raise ConfigError("--rate, --scores and --breath: expected one of them; give two commands")
    with stop_on_signals() as stop:
        from edge.api.detect import detect_file
        from edge.api.detector import load

        detector, failed = load(model, adaptation=adaptation, runtime=runtime or "auto"), False
        lines = _Lines(scores, rate, detector.model.classes, detector.frame_s)
        for path in _searched([sound_path(each) for each in files]):
            try:
                if isinstance(path, LaennecError):
                    raise path
                items = detect_file(path, detector, channel, stop)
                if breath:
                    quality = _print_breath(path, items, detector)
                else:
                    quality = lines.show(path, items) if jsonl or scores or rate else _print_table(path, items)
                failed |= not (rate or breath or quality.measurable_s or stop.is_set())
                if quality.broken is not None:
                    raise quality.broken
            except LaennecError as error:
                failed = True
                print(f"laennec: {error}", file=sys.stderr)
            if stop.is_set():
                raise typer.Exit(EXIT_INTERRUPTED)
        if failed:
            raise typer.Exit(EXIT_MISTAKE)


def _searched(named: list[Path]) -> Iterator[Path | LaennecError]:
    """The files to read in their order; for a folder without any, why."""
    from edge.sources.file_search import sound_files

    for path in named:
        try:
            yield from sound_files(path)
        except LaennecError as error:
            yield error


class _Lines:
    """JSON lines: events, with the scores if wanted, and what there is to say of all of a file; or the rate alone."""

    def __init__(self, scores: bool, rate: bool, classes: tuple[str, ...], frame_s: float) -> None:
        self._scores, self._rate, self._classes, self._frame_s = scores, rate, classes, frame_s

    def show(self, path: Path, items: Items) -> Quality:
        """Print each item of one file as soon as it is decided."""
        while True:
            try:
                item = next(items)
            except StopIteration as end:
                quality: Quality = end.value
                for record in [] if self._rate else last_records(quality):
                    self._print(path, record)
                return quality
            for record in self._records(item):
                self._print(path, record)

    def _print(self, path: Path, record: dict[str, Any]) -> None:
        print(json.dumps({"file": str(path), **record}, allow_nan=False))

    def _records(self, item: Event | Scores | BreathRate) -> Iterator[dict[str, Any]]:
        from edge.api.recording import BreathRate, Event

        if isinstance(item, Event | BreathRate):
            if isinstance(item, BreathRate) == self._rate:
                yield item.record()
        elif self._scores:
            for index, (values, valid) in enumerate(zip(item.values.tolist(), item.valid.tolist(), strict=True)):
                named = {name: round(x, 5) for name, x in zip(self._classes, values, strict=True)}
                begin_s = round((item.start + index) * self._frame_s, 6)
                yield {"t_s": begin_s, "dur_s": self._frame_s, "valid": valid, "scores": named}


def _print_table(path: Path, items: Items) -> Quality:
    """The events of one file; a file that cannot be read leaves no head that looks like a quiet one."""
    from edge.api.recording import Event

    count = 0
    while True:
        try:
            item = next(items)
        except StopIteration as end:
            quality: Quality = end.value
            found = {0: "no event", 1: "1 event"}.get(count, f"{count} events")
            head = "" if count else f"{path}\n"
            print(f"{head}{found} in {quality.read_s:.1f} s of sound, {quality.measurable_s:.1f} s measurable")
            for line in last_lines(quality):
                print(line)
            return quality
        if isinstance(item, Event):
            if not count:
                print(f"{path}\n{ROW_HEAD}")
            count += 1
            print(as_row(item))


def _print_breath(path: Path, items: Items, detector: Detector) -> Quality:
    """How somebody breathes in each whole minute of a file, and in all of it (the last 8 h of a longer one)."""
    from edge.delivery.trends import breath_of

    while True:
        try:
            next(items)
        except StopIteration as end:
            quality: Quality = end.value
            break
    minutes = range(0, int(quality.read_s) // 60 * 60, 60)
    for from_s, to_s in [*((each, each + 60.0) for each in minutes), (0.0, quality.read_s)]:
        window = detector.breathing(from_s, to_s)
        if window is not None:
            breath = breath_of(window).body()
            del breath["s"]
            where = {"file": str(path), "from_s": float(from_s), "to_s": round(to_s, 3)}
            print(json.dumps({**where, **breath}, allow_nan=False))
    return quality


def as_row(event: Event, from_s: float = 0.0) -> str:
    """An event that is over as a row of the table whose head is `ROW_HEAD`, its times counted from `from_s`."""
    ended = "" if event.end_reason == "quiet" else f"  ({event.end_reason.replace('_', ' ')})"
    end_s = event.onset_s if event.end_s is None else event.end_s
    sound = event.label.replace("_", " ")
    return f"{event.onset_s - from_s:9.2f} {end_s - from_s:9.2f}  {sound:<15} {event.score:5.2f}{ended}"


def last_records(quality: Quality) -> list[dict[str, Any]]:
    """What there is to say at the end of a file: the gain that it was scored with, and why it is not `verified`."""
    gain: list[dict[str, Any]] = [{"gain_db": round(quality.gain_db)}] if round(quality.gain_db) else []
    verdict = quality.verdict
    measurable = None if verdict.too_short else verdict.measurable
    judgement = {"verified": verdict.verified, "measurable": measurable, "reason": verdict.reason}
    return [*gain, judgement | ({} if verdict.measurable else {"cause": quality.cause})] if verdict.reason else gain


def last_lines(quality: Quality) -> list[str]:
    """The same for a person; of what is too short to be judged, that it is."""
    from edge.detector.recording import TOO_SHORT, advice
    from edge.detector.sound_check import LEAST_S

    gain_db, verdict = round(quality.gain_db), quality.verdict
    gain = [f"level: scored {abs(gain_db)} dB {'louder' if gain_db > 0 else 'fainter'}, as the model knows it"]
    lines = gain if gain_db else []
    if not quality.has_length:
        lines.append("length: not in the file, as of one written to a pipe; nobody can tell whether it was cut off")
    if quality.has_8_bits:
        lines.append("8 bits: what is fainter than -48 dBFS is lost in this file; record with 16")
    if verdict.reason:
        lines.append(
            f"unverified: {verdict.reason}"
            if verdict.measurable
            else f"not measurable: {verdict.reason} ({advice(verdict.fault)})"
        )
    elif quality.read_s < LEAST_S:
        lines.append(f"unverified: too short to be judged as a whole ({TOO_SHORT})")
    return lines


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
        from edge.detector.adaptation import adapt as adapt_device
        from edge.detector.adaptation import measure
        from edge.detector.warm import warm_up
        from edge.model.runtime import open_model
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
        adaptation, needed_db = adapt_device(measured, artefact, name)
    try:
        path.write_text(adaptation.to_text(), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--out {path}: cannot be written ({error.strerror}); give another path") from error
    print("\n".join(adaptation.lines()))
    if min(needed_db) < min(adaptation.equaliser_db) - 1 or max(needed_db) > max(adaptation.equaliser_db) + 1:
        print(f"  the device lacks more than an equaliser may give: {max(needed_db):+.0f} dB; expect less of it")
    if artefact.known is not None and adaptation.outside_db[1] > artefact.known.margin_db[2]:
        print("  its spectrum is still outside what the model knows; its streams stay unverified")
    print("  whether the model then finds sounds there, only labelled recordings can say: edge/detector/README.md")
    print(f"kept in {path}; use it:  laennec detect --adaptation {path} FILE,  or in the settings of a stream:")
    print(f"  adaptation: {path.resolve()}")


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
        from edge.model.model import load_model
        from edge.pictures import spectrogram as pictures
        from edge.pictures.drawing import check_output, draw
        from edge.pictures.spectrogram import picture_options

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
    """The events that the detector finds in the whole file and that overlap the segment that is drawn.

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
