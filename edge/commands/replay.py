"""`laennec replay`: the clip of an event scored again by the model that scored it, beside what the node found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.commands import EXIT_MISTAKE, ModelOption, RuntimeOption
from edge.commands.files import ROW_HEAD, as_row
from edge.errors import ModelError

if TYPE_CHECKING:
    from edge.clips.clip import ClipFile
    from edge.clips.replay import ComparedEvent
    from edge.model.model import Model
    from edge.settings.node import Config


def replay(
    event: Annotated[str, typer.Argument(metavar="EVENT_ID", help="Of an event, or of a clip itself.")],
    clips: Annotated[Path | None, typer.Option(help="Folder of clips; default: that of the settings.")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings (YAML) of the node.")] = None,
    model: ModelOption = None,
    runtime: RuntimeOption = None,
) -> None:
    """Score the clip of an event again, with the same model, and print what is found beside what the node found.

    Exit code 2 if an event differs that should not.
    """
    from edge.clips.folder import find_clip, read_pcm
    from edge.clips.replay import compare
    from edge.clips.replay import replay as rerun
    from edge.detector.warm import warm_up

    settings = _settings(config)
    folder = clips if clips is not None else _folder_of(settings)
    about = find_clip(folder, event)
    pcm = read_pcm(folder, about)
    warm_up()
    artefact = _open(settings, model, runtime or "auto", about)
    rows = compare(about, rerun(about, pcm, artefact), artefact)
    print(folder / f"{about.id}.flac")
    for line in _lines(about, rows, artefact):
        print(line)
    if any(row.differs and not row.excuse for row in rows):
        raise typer.Exit(EXIT_MISTAKE)


def _lines(about: ClipFile, rows: list[ComparedEvent], model: Model) -> list[str]:
    from edge.api.recording import Event
    from edge.clips.replay import exact_from, exact_until

    rate_hz, shown = model.rate_hz, []
    for row in rows:
        node = f"{row.node.peak:5.2f}" if row.node is not None else "    -"
        if row.now is None:
            found, end = row.event, row.event.end or about.stop
            times = f"{(found.onset - about.start) / rate_hz:9.2f} {(end - about.start) / rate_hz:9.2f}"
            shown.append(f"{times}  {found.label.replace('_', ' '):<15} {'-':>5}  {node}  {row.remark}")
            continue
        event = as_row(Event.of(row.now, rate_hz), about.start / rate_hz)
        shown.append(f"{event}  {node}  {row.remark}")
    head = [f"{ROW_HEAD}   node  beside the node"] if shown else []
    length_s = (about.stop - about.start) / rate_hz
    lost_s = sum(stop - first for first, stop in about.gaps) / rate_hz
    exact, until_s = exact_from(about, model), (exact_until(about, model) - about.start) / rate_hz
    count = f"{len(rows)} event{'' if len(rows) == 1 else 's'}" if rows else "no event"
    how = "not as the node scored it: the clip is too short to hold what the model remembered"
    if exact is not None and until_s > (from_s := (exact - about.start) / rate_hz):
        how = f"as the node scored it from {from_s:.2f} s to {until_s:.2f} s"
    return [*head, *shown, f"{count} in {length_s:.1f} s of sound from {about.begin_time}, {lost_s:.1f} s lost; {how}"]


def _open(settings: Config | None, path: Path | None, runtime: str, about: ClipFile) -> Model:
    """The artefact that scored the clip, or a variant beside the one that is named.

    Raises:
        ModelError: it is not there.
    """
    from edge.model.model import DEFAULT_PATH
    from edge.model.releases.store import active_model
    from edge.model.runtime import find_variants, open_model

    named = path if path is not None else active_model(settings) if settings is not None else None
    recorded_with = about.hearing.model
    variants = find_variants(named or DEFAULT_PATH)
    for artefact in variants:
        if artefact.sha256 == recorded_with["sha256"]:
            return open_model(artefact.path, runtime)
    raise ModelError(
        f"clip {about.id} was scored by model {recorded_with['id']} ({recorded_with['sha256'][:12]}), found "
        f"{variants[0].path} ({variants[0].sha256[:12]}); give that one with --model"
    )


def _settings(path: Path | None) -> Config | None:
    from edge.settings.node import load_config

    return None if path is None else load_config(path)


def _folder_of(settings: Config | None) -> Path:
    from edge.settings.node import parse_config

    return (settings or parse_config({"streams": [{"id": "none", "source": "none"}]}, "command line")).clips_path()
