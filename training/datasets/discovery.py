"""Sounds that are no chest recordings and must not alarm: one folder for each kind.

Which data sets lie under a folder: for training, evaluation and `make data-check`.

    DATA/sprsound, icbhi, hf_lung, negatives     any of them, in any published layout
    DATA/<name>/annotations.csv                  recordings of the user's own, any number of them
    DATA                                         may itself be one of these, as a clone of SPRSound's repository is

A set is known by what lies in its folder (`negatives` by its name), not by where it came from. Reads no annotation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from edge.errors import ConfigError
from training.datasets import folder as own
from training.datasets import hf_lung, icbhi, sprsound
from training.datasets.files import Finding, Found, accept, read_header, sound_paths
from training.datasets.records import Recording, check_split


def read_negatives(folder: Path) -> list[Recording]:
    """Every file of each subfolder; a subfolder's name is the kind, the speaker or infant is the patient.

    An absent folder has no negatives: they are optional.

    Raises:
        ConfigError: if there are some and too many of them do not decode.
    """
    found = scan_negatives(folder)
    return accept(found) if found.recordings or found.findings else []


def scan_negatives(folder: Path) -> Found:
    """Every file of each subfolder, and those that do not decode."""
    recordings, findings = [], []
    for path in sorted(sound_paths(folder)):
        if path.parent.parent != folder:
            continue
        kind = path.parent.name
        try:
            duration_s, rate_hz = read_header(path)
        except ValueError as error:
            findings.append(Finding("damaged", path, str(error)))
            continue
        patient = f"{kind}-{_source_id(kind, path.stem)}"
        recordings.append(
            Recording(
                path,
                patient,
                kind,
                (),
                is_negative=True,
                dataset="negatives",
                duration_s=duration_s,
                rate_hz=rate_hz,
            )
        )
    return Found("negatives", folder, tuple(recordings), tuple(findings))


def _source_id(kind: str, stem: str) -> str:
    if kind == "speech" and stem.count("_"):  # digit_speaker_take
        return stem.split("_")[1]
    if kind == "infant_cry":  # a UUID of the phone, then time and reason
        return stem[:36]
    if kind == "heart":  # subject, time, site
        return stem.split("_")[0]
    return stem


_SPRSOUND_PARTS = {
    *(f"biocas{year}" for year in range(2022, 2026)),
    *(f"{split}{year}_{half}" for split in ("train", "test") for year in ("", "2022") for half in ("wav", "json")),
    *("classification", "detection", "releases"),
}
"""Folders of the authors' repository and of the challenge's archives, in lower case."""
_ICBHI_FOLDERS = {"icbhi", "icbhi2017", "icbhi_2017", "icbhi_final_database", "respiratory_sound_database"}
_IN_PARTS = ("sprsound", "icbhi")  # sets that lie in several folders
_SCAN: dict[str, Callable[[Path], Found]] = {
    "sprsound": sprsound.scan_sprsound,
    "icbhi": icbhi.scan_icbhi,
    "hf_lung": hf_lung.scan_hf_lung,
    "negatives": scan_negatives,
    "folder": own.scan_folder,
}


@dataclass(frozen=True, slots=True)
class DatasetFolder:
    """A folder that holds a data set."""

    kind: str
    """`sprsound`, `icbhi`, `hf_lung`, `negatives`, or `folder` for a user's own."""
    folder: Path
    """Where it lies."""

    @property
    def name(self) -> str:
        """What it is called by the operator and in `Recording.dataset`."""
        return self.folder.name if self.kind == "folder" else self.kind

    def scan(self) -> Found:
        """Its recordings and what is wrong with them.

        Raises:
            ConfigError: if it cannot be read at all.
        """
        return _SCAN[self.kind](self.folder)


def find_datasets(root: Path) -> list[DatasetFolder]:
    """Every data set in the folder or in a folder directly below it, sorted by name.

    Raises:
        ConfigError: if the folder is missing, holds no set, or one set twice.
    """
    if not root.is_dir():
        raise ConfigError(f"DATA={root}: expected a folder with recordings, found none; see training/DATA.md")
    children = [child for child in sorted(root.iterdir()) if child.is_dir() and not child.name.startswith(".")]
    datasets: dict[str, DatasetFolder] = {}
    for folder in (root, *children):
        kind = _kind(folder)
        if not kind or (kind in _IN_PARTS and DatasetFolder(kind, root) in datasets.values() and folder != root):
            continue  # a part of the set that is the root itself
        dataset = DatasetFolder(kind, folder)
        if other := datasets.get(dataset.name):
            raise ConfigError(f"DATA={root}: {dataset.name} is there twice, {other.folder} and {folder}; keep one")
        datasets[dataset.name] = dataset
    if not datasets:
        raise ConfigError(
            f"DATA={root}: expected sprsound, icbhi, hf_lung, negatives or a folder with {own.TABLE}, found none; "
            "see training/DATA.md, or `make data-download` for where they come from"
        )
    return [datasets[name] for name in sorted(datasets)]


def _kind(folder: Path) -> str:
    """Which set a folder holds; empty when none is known."""
    try:
        entries = list(folder.iterdir())
    except PermissionError:  # lost+found of a disk of its own
        return ""
    if (folder / own.TABLE).is_file():
        return "folder"
    if folder.name.lower() == "negatives":
        return "negatives"
    names = {entry.name.lower() for entry in entries}
    if names & {*icbhi.SPLIT_FILES, "icbhi_final_database"} or folder.name.lower() in _ICBHI_FOLDERS:
        return "icbhi"
    if hf_lung.is_here(folder):
        return "hf_lung"
    if folder.name.lower().startswith("sprsound") or names & _SPRSOUND_PARTS or _has_annotations(folder):
        return "sprsound"
    if any(icbhi.NAME.fullmatch(entry.stem) for entry in entries):
        return "icbhi"
    return ""


def _has_annotations(folder: Path) -> bool:
    """True when an annotation of SPRSound lies in the folder, or in a folder of it that is named after a split."""
    parts = [part for part in folder.iterdir() if part.is_dir() and sprsound.SPLIT_FOLDER.fullmatch(part.name.lower())]
    paths = (path for part in (folder, *parts) for path in part.glob("*.json"))
    return any(sprsound.NAME.fullmatch(path.stem) for path in paths)


def scan_datasets(root: Path, names: Iterable[str] | None = None) -> list[Found]:
    """Every set under a folder, or those named, with what is wrong with them.

    Raises:
        ConfigError: if a named set is not there.
    """
    datasets = find_datasets(root)
    known = [dataset.name for dataset in datasets]
    for name in names or ():
        if name not in known:
            raise ConfigError(f"DATA={root}: no data set {name!r}; there are {', '.join(known)}")
    return [dataset.scan() for dataset in datasets if names is None or dataset.name in set(names)]


def read_datasets(root: Path, names: Iterable[str] | None = None) -> list[Recording]:
    """Recordings of every set under a folder, or of those named.

    Raises:
        ConfigError: if a named set is not there, a set has no readable recording or too many bad ones, or a patient is
            on both sides of a published split (but for the exceptions of `training.datasets.records`).
    """
    chosen = None if names is None else tuple(names)
    recordings = [recording for found in scan_datasets(root, chosen) for recording in accept(found)]
    check_split(recordings)
    return recordings
