"""SPRSound in every layout it was published in (Zhang et al., TBioCAS 16(5), 2022). Knows no other set's names.

    train_wav, train_json, test_wav, test_json/{inter,intra}_test_json         2022, also train2022_wav and so on
    BioCAS2022/..., BioCAS2023/test2023_{wav,json} to BioCAS2025, releases/... the authors' repository today
    Classification/{train,valid,test}_classification_{wav,json}/2022/...       the same repository in 2024
    train/*.flac with *.json beside                                            converted, flat

A sound and its annotation share a name, `<patient>_<age>_<sex>_<site>_<number>`, so they are joined by name wherever
they lie, and the annotation's folder says the split. Of a recording that is there twice (a copy, `Classification` and
`Detection`) one is kept: that of a test set before that of a training set, so that no test recording is trained on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from training.datasets.files import Finding, Found, accept, check_events, files_below, read_header, sound_paths
from training.datasets.records import RECORD_LABELS, SPRSOUND_LABELS, Annotation, Recording

NAME = re.compile(r"\d*_[\d.]+_[01]_p\d_\d+")
SPLIT_FOLDER = re.compile(r"(train|test|valid)(20\d\d)?(_wav|_json)?|(inter|intra)(_test_json)?")
_DEVICE = "Yunting model II"  # the only stethoscope of the set


def read_sprsound(folder: Path) -> list[Recording]:
    """Every recording of a SPRSound folder, sorted by name.

    Raises:
        ConfigError: if there is none, or too many annotations or sounds are bad; the message names file and field.
    """
    return accept(scan_sprsound(folder))


def scan_sprsound(folder: Path) -> Found:
    """Every recording of a SPRSound folder, in whatever layout, and what is wrong with it."""
    sources, copies = _first_of_each(
        [path for path in files_below(folder, ".json") if NAME.fullmatch(path.stem)],  # others are an editor's settings
        lambda path: (*_certainty(path, folder), str(path)),
    )
    known = [path for path in sound_paths(folder) if NAME.fullmatch(path.stem)]
    sounds, more_copies = _first_of_each(
        [path for path in known if path.stem in sources],
        lambda path: (path.parent != sources[path.stem].parent, str(path)),  # the sound beside its annotation
    )
    findings = [
        Finding("duplicate", path, f"a copy of {used.relative_to(folder)}") for path, used in (*copies, *more_copies)
    ]
    for path in known:  # the clips of `test_clip` have one more element in their names
        if path.stem not in sources:
            findings.append(Finding("missing", path, "sound without annotation (.json)"))
    recordings = []
    for stem, source in sorted(sources.items()):
        if stem not in sounds:
            findings.append(Finding("missing", source, "annotation without sound (.wav or .flac)"))
            continue
        try:
            recordings.append(_read_recording(sounds[stem], source, split_of(source, folder)))
        except _SoundError as error:
            findings.append(Finding("damaged", sounds[stem], str(error)))
        except ValueError as error:
            findings.append(Finding("damaged", source, str(error)))
    return Found("sprsound", folder, tuple(recordings), tuple(findings))


def split_of(source: Path, root: Path) -> str:
    """Split of an annotation by the folders it lies in, from `root` down; `train` when they do not say.

    `inter`, `intra`, `train`, `test`, or `test<year>`; 2022 is the year of `inter` and `intra`.
    """
    own = (root.name,) if SPLIT_FOLDER.fullmatch(root.name) else ()
    folders = "/".join((*own, *source.relative_to(root).parts[:-1])).lower()
    if patient := re.search(r"(?:^|[/_-])(inter|intra)(?:[/_-]|$)", folders):
        return patient[1]
    if re.search(r"(^|/)(test|valid)", folders):
        year = re.findall(r"20[2-9]\d", folders)
        return f"test{year[-1]}" if year and year[-1] != "2022" else "test"
    return "train"


def _certainty(source: Path, root: Path) -> tuple[bool, bool]:
    """Order of the annotations of one recording: test sets first, then folders that say which split they are."""
    says = any(SPLIT_FOLDER.match(part) for part in (root.name, *source.relative_to(root).parts[:-1]))
    return split_of(source, root) == "train", not says


def _first_of_each(
    paths: list[Path], order: Callable[[Path], tuple[object, ...]]
) -> tuple[dict[str, Path], list[tuple[Path, Path]]]:
    """The first path of each recording's name, and the others, each with the one that is used."""
    first: dict[str, Path] = {}
    copies = []
    for path in sorted(paths, key=order):
        if first.setdefault(path.stem, path) != path:
            copies.append((path, first[path.stem]))
    return first, copies


class _SoundError(ValueError):
    """The sound is bad, not its annotation."""


def _read_recording(path: Path, source: Path, split: str) -> Recording:
    try:
        fields = json.loads(source.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"annotation not readable ({error})") from error
    if not isinstance(fields, dict):
        raise ValueError(f"annotation = {type(fields).__name__}, expected an object")
    label = str(fields.get("record_annotation") or fields.get("recording_annotation") or "")
    if label and label not in RECORD_LABELS:
        raise ValueError(f"record_annotation = {label!r}, expected one of {', '.join(RECORD_LABELS)}")
    published = fields.get("event_annotation")
    if not isinstance(published, list):
        raise ValueError(f"event_annotation = {published!r}, expected a list")
    events = [_read_event(number, event) for number, event in enumerate(published)]
    try:
        duration_s, rate_hz = read_header(path)
    except ValueError as error:
        raise _SoundError(str(error)) from error
    check_events(tuple(events), duration_s)
    patient, age, sex, site, _ = path.stem.rsplit("_", 4)
    return Recording(
        path,
        # 2025 leaves some patients out of the name: children of one age and sex count as one, so that a split by
        # patient cannot part recordings that may be of one child
        patient or f"unnamed-{age}-{sex}",
        label,
        tuple(sorted(events, key=lambda event: event.start_s)),
        split=split,
        dataset="sprsound",
        device=_DEVICE,
        site=site,
        age_years=float(age),
        duration_s=duration_s,
        rate_hz=rate_hz,
    )


def _read_event(number: int, fields: object) -> Annotation:
    if not isinstance(fields, dict):
        raise ValueError(f"event {number} = {fields!r}, expected an object")
    label = fields.get("type", "")
    if not isinstance(label, str) or label not in SPRSOUND_LABELS:
        raise ValueError(f"event type = {label!r}, expected one of {', '.join(SPRSOUND_LABELS)}")
    start_s, end_s = _seconds(number, fields, "start"), _seconds(number, fields, "end")
    return Annotation(start_s, end_s, SPRSOUND_LABELS[label], label, number)


def _seconds(number: int, fields: dict[str, object], key: str) -> float:
    try:
        return float(str(fields.get(key, ""))) / 1000
    except ValueError as error:
        raise ValueError(f"event {number} {key} = {fields.get(key)!r}, expected milliseconds") from error
