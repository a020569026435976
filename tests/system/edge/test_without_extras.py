"""Each command without the packages that only it needs: one line that says what to install, with which Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edge.commands.demo_broker import free_port
from edge.errors import EXTRAS
from edge.sources.file_search import DEMO_AUDIO

WITHOUT = f"""
import sys
for name in {list(EXTRAS)}:
    sys.modules[name] = None
from edge.__main__ import main
lines = [line.rstrip("\\n").split("\\t") for line in sys.stdin]
for sys.argv[1:] in lines or [sys.argv[1:]]:
    try:
        main()
    except SystemExit as ended:
        if not lines:
            raise
        print(f"ended with {{ended.code}}", file=sys.stderr, flush=True)
"""
HANGS_S = 300
DATABASE = "'psycopg[binary]'"


def laennec(*arguments: object, lines: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=HANGS_S, check=False, input=lines)


COMMANDS: dict[tuple[object, ...], str] = {
    ("history", "events"): DATABASE,
    ("history", "missing"): DATABASE,
    ("history", "prune", "--days", "3"): DATABASE,
    ("ingest",): DATABASE,
    ("export", "convert", "--out", ".", "--as", "parquet"): "-m pip install pyarrow",
    ("score", DEMO_AUDIO, "--out", "scored"): "-m pip install pyarrow",
    ("board", "--listen", "0"): "argon2-cffi",
    ("board", "users", "add", "kim", "--role", "view", "--config", "board.yaml"): "argon2-cffi",
    ("spectrogram", DEMO_AUDIO, "-o", "a.png"): "-m pip install matplotlib",
}


def test_a_command_without_its_packages_says_in_one_line_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "board.yaml").write_text("users: users\n")
    result = laennec(lines="".join("\t".join(map(str, command)) + "\n" for command in COMMANDS))
    output = result.stderr.splitlines()
    assert output[1::2] == ["ended with 2"] * len(COMMANDS), output
    for line, packages in zip(output[::2], COMMANDS.values(), strict=True):
        assert line.startswith("laennec: ")
        assert packages in line
        assert f"{sys.executable} -m pip install " in line


@pytest.mark.parametrize("command", ["history", "score", "board"])
def test_the_help_of_a_command_needs_none_of_its_packages(command: str) -> None:
    assert "Usage: " in laennec(command, "--help").stdout


def test_what_needs_no_such_package_works_without_them(tmp_path: Path) -> None:
    assert laennec("detect", "--jsonl", DEMO_AUDIO).returncode == 0
    assert laennec("export", "convert", "--out", tmp_path, "--as", "csv").stderr.endswith("found none of it\n")
    (tmp_path / "s.yaml").write_text(f"mqtt: {{port: {free_port()}}}\n")
    checked = laennec("ingest", "--check", "--config", tmp_path / "s.yaml").stderr
    assert checked.startswith("laennec: broker ")
