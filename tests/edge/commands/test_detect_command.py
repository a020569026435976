"""`laennec detect` as it is called: folders, and words for people."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from typer.testing import CliRunner

from edge.commands.app import app
from edge.sources.demo import DEMO_AUDIO


def test_every_file_of_a_folder_is_heard_and_an_empty_folder_stops_no_other(tmp_path: Path) -> None:
    for name in ("ward/b.flac", "ward/night/a.flac", "empty/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(DEMO_AUDIO, tmp_path / name)
    result = CliRunner().invoke(app, ["detect", "--jsonl", str(tmp_path / "empty"), str(tmp_path / "ward")])
    assert result.exit_code == 2
    assert result.stderr.splitlines()[0].startswith(f"laennec: {tmp_path / 'empty'}: no sound file in this folder")
    names = [Path(json.loads(line)["file"]).name for line in result.stdout.splitlines()]
    assert list(dict.fromkeys(names)) == ["b.flac", "a.flac"]


def test_the_table_names_a_sound_in_words_and_a_record_as_programs_know_it() -> None:
    table = CliRunner().invoke(app, ["detect", str(DEMO_AUDIO)]).stdout
    records = CliRunner().invoke(app, ["detect", "--jsonl", str(DEMO_AUDIO)]).stdout
    assert "fine crackle  " in table
    assert "_" not in table.partition("\n")[2]
    assert '"label": "fine_crackle"' in records
