"""Recordings of other stethoscopes: found in their folders, judged by cycle, and few of them said to be few."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.errors import ConfigError
from training.evaluation.devices import Judged, main, read_others, report, table
from training.metrics.streaming import ScoredRecording


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two recordings of ICBHI, one clip of a cycle, and a manikin's crackle."""
    others = tmp_path / "other_devices"
    sound = np.random.default_rng(0).normal(0, 0.01, 40_000).astype(np.float32)

    def write(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, sound, 4000)

    write(others / "icbhi_more" / "101_1b1_Pr_sc_Meditron.wav")
    (others / "icbhi_more" / "cycles.csv").write_text(
        "recording,start_s,end_s,crackles,wheezes\n101_1b1_Pr_sc_Meditron,0.5,3,0,1\n101_1b1_Pr_sc_Meditron,3,6,0,0\n"
    )
    write(others / "icbhi_cycle_clips" / "107_2b3_Ar_mc_AKGC417L_1.wav")
    (others / "icbhi_cycle_clips" / "labels.csv").write_text(
        "clip,recording,start_s,end_s,crackles,wheezes\n107_2b3_Ar_mc_AKGC417L_1.wav,107_2b3_Ar_mc_AKGC417L,4,6.5,1,0\n"
    )
    write(others / "hls_cmds" / "lung" / "F_FC_LUA.wav")
    (others / "hls_cmds" / "lung.csv").write_text(
        "Gender,Lung Sound Type,Location,Lung Sound ID\nF,Fine Crackles,LUA,F_C_LUA\nM,Pleural Rub,LUA,M_P_LUA\n"
    )
    return tmp_path


def test_every_device_is_read_with_its_cycles_and_patients(data: Path) -> None:
    found = {one.device: one for one in read_others(data)}
    assert sorted(found) == ["AKGC417L", "Meditron", "manikin"]
    assert [(e.start_s, e.labels) for e in found["Meditron"].events] == [(0.5, ("wheeze",)), (3.0, ())]
    clip = found["AKGC417L"].events[0]
    assert (clip.start_s, clip.end_s, clip.labels) == (0.0, 2.5, ("crackle",))
    assert found["manikin"].events[0].labels == ("fine_crackle",)
    assert (found["Meditron"].patient, found["AKGC417L"].patient) == ("101", "107")


def test_a_folder_without_any_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="expected icbhi/ or other_devices/"):
        read_others(tmp_path)
    assert main(["--data", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("devices: DATA=")


def test_cycles_are_told_apart_by_their_highest_scores(data: Path) -> None:
    judged = []
    for recording in read_others(data):
        scores = np.full((320, 6), 0.01, np.float32)
        scores[30:60, 0] = 0.9  # a wheeze from .96 to 1.92 s
        judged.append(Judged(ScoredRecording(recording, scores, np.zeros((320, 12), np.float32)), 0.5))
    found = report(judged, 0.032)
    assert found["ICBHI, all"]["patients"] == 2
    assert (found["Meditron"]["continuous"]["with"], found["Meditron"]["continuous"]["without"]) == (1, 1)
    assert found["Meditron"]["continuous"]["auc"] == 1.0
    assert found["manikin"]["continuous"]["auc"] is None
    assert "manikin" in table(found)


def test_the_product_judges_them(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(data), "--json", str(data / "found.json")]) == 0
    assert "Meditron" in capsys.readouterr().out
    assert (data / "found.json").exists()
