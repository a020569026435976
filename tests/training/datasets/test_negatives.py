"""Negatives are grouped by who made them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from training.datasets import read_negatives
from training.datasets.discovery import scan_negatives


def test_negatives_of_one_speaker_or_infant_are_one_patient(real_data: Path) -> None:
    negatives = read_negatives(real_data / "negatives")
    assert {r.record_label for r in negatives} == {"cough", "heart", "infant_cry", "speech"}
    assert all(r.is_negative for r in negatives)
    assert len({r.patient for r in negatives if r.record_label == "speech"}) == 6


def test_names_say_who_is_heard(tmp_path: Path) -> None:
    phone = "0c8f14a9-6999-485b-97a2-913c1cbf099c"
    names = ("speech/3_jackson_12", "infant_cry/" + phone + "-1430760394426-1.7-m-26-hu", "heart/103_1305031931979_B")
    for name in names:
        (tmp_path / name).parent.mkdir()
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(80), 8000)
    assert {r.patient for r in scan_negatives(tmp_path).recordings} == {
        "speech-jackson",
        f"infant_cry-{phone}",
        "heart-103",
    }


def test_a_folder_that_is_not_there_has_none(tmp_path: Path) -> None:
    assert read_negatives(tmp_path / "negatives") == []


def test_a_subfolder_of_any_name_is_a_kind(tmp_path: Path) -> None:
    (tmp_path / "snore").mkdir()
    soundfile.write(tmp_path / "snore" / "one.wav", np.zeros(80), 8000)
    soundfile.write(tmp_path / "snore" / "three.mp3", np.zeros(8000), 8000)  # as the coughs are published
    (tmp_path / "snore" / "two.wav").write_bytes(b"")
    found = scan_negatives(tmp_path)
    assert [(r.record_label, r.patient, r.dataset) for r in found.recordings] == [
        ("snore", "snore-one", "negatives"),
        ("snore", "snore-three", "negatives"),
    ]
    assert [f.path.name for f in found.of_kind("damaged")] == ["two.wav"]
