"""ICBHI 2017 as published (Rocha et al., Physiological Measurement 40(3), 2019). Knows no other set's names.

    ICBHI_final_database/<patient>_<index>_<site>_<sc|mc>_<device>.wav    4 to 44.1 kHz, 16 to 32 bits
    ICBHI_final_database/<the same>.txt                                   start, end (seconds), crackles, wheezes
    ICBHI_challenge_train_test.txt or official_split.txt                  name, `train` or `test`
    ICBHI_Challenge_diagnosis.txt or patient_diagnosis.txt|csv            patient, diagnosis; may be left out

Files are joined by the first four elements of their names, which are unique: an earlier release named the wrong device
in 92 of them. Patients 156 and 218 are on both sides of the official split. It is kept as published, because every
published number is made with it; `training.datasets.records` allows these two, on this split alone.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from edge.errors import ConfigError
from training.datasets.files import Finding, Found, accept, check_events, files_below, read_header, sound_paths
from training.datasets.records import Annotation, Recording, record_label

SPLIT_FILES = ("official_split.txt", "icbhi_challenge_train_test.txt")
"""Names of the official split, in lower case: it is found with either spelling of `challenge`."""
NAME = re.compile(r"[12]\d\d_\w+_(Tc|Al|Ar|Pl|Pr|Ll|Lr)_(sc|mc)_\w+")
LABELS: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {
    ("0", "0"): ("Normal", ()),
    ("1", "0"): ("Crackle", ("crackle",)),
    ("0", "1"): ("Wheeze", ("wheeze",)),
    ("1", "1"): ("Both", ("wheeze", "crackle")),
}
"""Name and sounds of a cycle by its columns crackles and wheezes; the kind of crackle is not annotated."""


def read_icbhi(folder: Path) -> list[Recording]:
    """Every recording of ICBHI 2017 that has sound, sorted by name.

    Raises:
        ConfigError: if there is none, no official split, or too many files are bad; the message names file and field.
    """
    return accept(scan_icbhi(folder))


def scan_icbhi(folder: Path) -> Found:
    """Every recording of ICBHI 2017, and what is missing or damaged of the 920 that the official split names.

    Raises:
        ConfigError: if the official split is not there or not readable.
    """
    split = read_split(folder)
    names = {_key(name): name for name in split}
    sources = {_key(path.stem): path for path in files_below(folder, ".txt") if NAME.fullmatch(path.stem)}
    sounds = {_key(path.stem): path for path in reversed(sound_paths(folder)) if NAME.fullmatch(path.stem)}
    diagnoses = _diagnoses(folder)
    findings: list[Finding] = []
    recordings = []
    for key in sorted({*names, *sources, *sounds}):
        where = sounds.get(key, sources.get(key, folder / f"{names.get(key, key)}.wav"))
        if key not in sounds:
            findings.append(Finding("missing", where, "sound (.wav) is not there"))
        elif key not in sources:
            findings.append(Finding("missing", where, "annotation (.txt) is not there"))
        elif key not in names:
            findings.append(Finding("damaged", where, "is not named in the official split"))
        else:
            try:
                recording = _read_recording(where, sources[key], split[names[key]])
                diagnosis = diagnoses.get(where.stem.partition("_")[0], "")
                recordings.append(replace(recording, diagnosis=diagnosis))
            except ValueError as error:
                findings.append(Finding("damaged", where, str(error)))
    return Found("icbhi", folder, tuple(recordings), tuple(findings))


def read_split(folder: Path) -> dict[str, str]:
    """`train` or `test` of each recording by its name, from the official file in the folder or below it.

    Raises:
        ConfigError: if it is not there, or a line of it is not a name and a side.
    """
    path = next((path for path in files_below(folder, ".txt") if path.name.lower() in SPLIT_FILES), None)
    if path is None:
        raise ConfigError(
            f"{folder}: expected the official split, ICBHI_challenge_train_test.txt or official_split.txt, found "
            "none; `make data-download NAME=icbhi` says where it is"
        )
    split = {}
    for number, line in enumerate(_common_lines(path), 1):
        name, _, side = line.strip().partition("\t" if "\t" in line else " ")
        if line.strip() and (side.strip() not in ("train", "test") or not NAME.fullmatch(name)):
            raise ConfigError(f"{path}, line {number}: {line!r}, expected a recording's name and `train` or `test`")
        if line.strip():
            split[name] = side.strip()
    return split


def _diagnoses(folder: Path) -> dict[str, str]:
    """Diagnosis of each patient, from the file of either spelling; empty when there is none."""
    diagnoses = {}
    for path in files_below(folder, ".txt", ".csv"):
        if path.stem.lower() in ("icbhi_challenge_diagnosis", "patient_diagnosis"):
            for line in _common_lines(path):
                patient, _, diagnosis = line.replace(",", "\t").partition("\t")
                diagnoses[patient.strip()] = diagnosis.strip()
    return diagnoses


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name}: not readable ({error}); expected text in UTF-8") from error


def _common_lines(path: Path) -> list[str]:
    """The lines of a file that stands for all recordings, so that it cannot be skipped."""
    try:
        return _lines(path)
    except ValueError as error:
        raise ConfigError(f"{path.parent / str(error)}") from error


def _key(name: str) -> str:
    return "_".join(name.split("_")[:4])


def _read_recording(path: Path, source: Path, split: str) -> Recording:
    duration_s, rate_hz = read_header(path)
    lines = [line for line in _lines(source) if line.strip()]
    cycles = tuple(read_cycle(number, line.split()) for number, line in enumerate(lines))
    if not cycles:
        raise ValueError(f"{source.name} has no cycle")
    check_events(cycles, duration_s)
    patient, _, site, _, device = path.stem.split("_", 4)
    return Recording(
        path,
        f"icbhi-{patient}",
        record_label(cycles),
        tuple(sorted(cycles, key=lambda cycle: cycle.start_s)),
        split=split,
        dataset="icbhi",
        device=device,
        site=site,
        duration_s=duration_s,
        rate_hz=rate_hz,
        covers="cycle",
    )


def read_cycle(number: int, fields: list[str]) -> Annotation:
    """One respiratory cycle.

    Args:
        number: its line, from 0.
        fields: start and end in seconds, crackles and wheezes (0 or 1), as text.

    Raises:
        ValueError: names line, column and value.
    """
    if len(fields) != 4:
        raise ValueError(f"line {number + 1} has {len(fields)} columns, expected start, end, crackles, wheezes")
    if (fields[2], fields[3]) not in LABELS:
        raise ValueError(f"line {number + 1}: crackles, wheezes = {fields[2]}, {fields[3]}, expected 0 or 1 each")
    try:
        start_s, end_s = float(fields[0]), float(fields[1])
    except ValueError as error:
        raise ValueError(f"line {number + 1}: start, end = {fields[0]}, {fields[1]}, expected seconds") from error
    name, labels = LABELS[fields[2], fields[3]]
    return Annotation(start_s, end_s, labels, name, number)
