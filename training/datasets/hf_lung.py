"""HF_Lung_V1 as published (Hsu et al., PLOS ONE 16(7), e0254134, 2021). Knows no other set's names.

    train/, test/                                              the makers' split
    steth_<date>_<time>.wav, trunc_<date>-<time>-<site>_<n>.wav    15 s, 4 kHz; truncated from longer recordings
    <the same>_label.txt                                       a line for each label: what, from, to (hh:mm:ss.fff)

    I 00:00:01.234 00:00:02.345        I and E: inhalation, exhalation; D: discontinuous; Wheeze, Stridor, Rhonchi

Sounds are labelled from onset to end, beside the breath phases, and may overlap them and each other. No line says that
a stretch is silent, and about half of the exhalations have none. 58 published files are empty: of such a recording
nothing is known. The makers name no patient: all recordings of a day count as of one, so what was recorded in one
session is never parted; a patient who was recorded on several days can be.
"""

from __future__ import annotations

import re
from pathlib import Path

from training.datasets.files import Finding, Found, accept, check_events, files_below, read_header, sound_paths
from training.datasets.records import Annotation, Recording, record_label

NAME = re.compile(r"(?P<device>steth|trunc)_(?P<year>20\d\d)-?(?P<month>\d\d)-?(?P<day>\d\d)[-_].+")
LABELS: dict[str, tuple[str, ...]] = {
    "I": (),
    "E": (),
    "D": ("crackle",),  # the kind of crackle is not annotated
    "Wheeze": ("wheeze",),
    "Stridor": ("stridor",),
    "Rhonchi": ("rhonchus",),
}
"""Sounds by label."""
SUFFIX = "_label"
_TIME = re.compile(r"(\d+):([0-5]\d):([0-5]\d(?:\.\d*)?)")


def is_here(folder: Path) -> bool:
    """Whether the set lies in a folder: by its name, or by a label file in it or in its `train` or `test`."""
    if folder.name.lower().startswith("hf_lung"):
        return True
    parts = (folder, *(folder / split for split in ("train", "test")))
    return any(_key(path) for part in parts for path in part.glob(f"*{SUFFIX}.txt"))


def read_hf_lung(folder: Path) -> list[Recording]:
    """Every recording of HF_Lung_V1, sorted by name.

    Raises:
        ConfigError: if there is none, or too many files are bad; the message names file and line.
    """
    return accept(scan_hf_lung(folder))


def scan_hf_lung(folder: Path) -> Found:
    """Every recording of HF_Lung_V1 and what is wrong with it; of one that is there twice, that of the test set."""
    order = {"test": 0, "train": 1}
    sources = sorted(files_below(folder, ".txt"), key=lambda path: order[_split(path, folder)], reverse=True)
    labels = {_key(path): path for path in sources if _key(path)}
    sounds = {(path.parent, path.stem): path for path in reversed(sound_paths(folder)) if NAME.fullmatch(path.stem)}
    findings: list[Finding] = []
    recordings = []
    for path in sources:
        if _key(path) and labels[_key(path)] != path:
            findings.append(Finding("duplicate", path, f"a copy of {labels[_key(path)].relative_to(folder)}"))
    for stem, source in sorted(labels.items()):
        sound = sounds.get((source.parent, stem))
        if sound is None:
            findings.append(Finding("missing", source, "labels without sound (.wav) beside them"))
            continue
        try:
            recordings.append(_read_recording(sound, source, _split(source, folder)))
        except ValueError as error:
            findings.append(Finding("damaged", source, str(error)))
    for (_, stem), path in sorted(sounds.items()):
        if stem not in labels:
            findings.append(Finding("missing", path, f"sound without labels ({stem}{SUFFIX}.txt)"))
    return Found("hf_lung", folder, tuple(recordings), tuple(findings))


def read_label(number: int, line: str) -> Annotation:
    """One line of a label file.

    Args:
        number: of the line, from 0.
        line: what, from, to.

    Raises:
        ValueError: names line, column and value.
    """
    fields = line.split()
    if len(fields) != 3:
        raise ValueError(f"line {number + 1} has {len(fields)} columns, expected label, start, end")
    if fields[0] not in LABELS:
        raise ValueError(f"line {number + 1}: label = {fields[0]!r}, expected one of {', '.join(LABELS)}")
    times = [_TIME.fullmatch(field) for field in fields[1:]]
    if None in times:
        raise ValueError(f"line {number + 1}: start, end = {fields[1]}, {fields[2]}, expected hh:mm:ss.fff")
    start_s, end_s = (int(t[1]) * 3600 + int(t[2]) * 60 + float(t[3]) for t in times if t)
    return Annotation(start_s, end_s, LABELS[fields[0]], fields[0], number)


def _key(path: Path) -> str:
    """Name of the recording whose labels are in a file; empty when it is no label file of this set."""
    stem = path.stem.removesuffix(SUFFIX)
    return stem if stem != path.stem and NAME.fullmatch(stem) else ""


def _split(path: Path, folder: Path) -> str:
    inside = (folder.name, *path.relative_to(folder).parts[:-1])
    return "test" if any(part.lower() == "test" for part in inside) else "train"


def _read_recording(path: Path, source: Path, split: str) -> Recording:
    duration_s, rate_hz = read_header(path)
    try:
        lines = source.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"not readable ({error}); expected text in UTF-8") from error
    labels = tuple(read_label(number, line) for number, line in enumerate(lines) if line.strip())
    check_events(labels, duration_s)
    named = NAME.fullmatch(path.stem)
    assert named
    return Recording(
        path,
        f"hf_lung-{named['year']}-{named['month']}-{named['day']}",
        record_label(labels) if labels else "",
        tuple(sorted(labels, key=lambda label: label.start_s)),
        split=split,
        dataset="hf_lung",
        device=named["device"],
        duration_s=duration_s,
        rate_hz=rate_hz,
        covers="sound",
    )
