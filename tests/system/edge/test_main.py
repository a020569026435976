"""The command: what it prints, and its exit codes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge import __version__
from edge.commands.demo_broker import Broker, free_port
from edge.sources.file_search import DEMO_AUDIO
from tests.conftest import HANGS_S
from tests.edge.conftest import Watcher

HEAVY = ("numba", "onnxruntime", "numpy", "paho", "pydantic", "soundfile", "torch", "amqtt")


def laennec(*arguments: object, **options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edge", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=HANGS_S, env={**os.environ, **options})


def test_the_version_is_that_of_the_package() -> None:
    assert laennec("--version").stdout == f"laennec {__version__}\n"


def test_help_imports_nothing_heavy() -> None:
    program = "import atexit, sys; atexit.register(lambda: print(*sys.modules)); from edge.__main__ import main; main()"
    result = subprocess.run([sys.executable, "-c", program, "--help"], capture_output=True, text=True, timeout=HANGS_S)
    assert "detect" in result.stdout
    assert not set(HEAVY) & set(result.stdout.split())


def test_a_board_without_clips_loads_no_kernels() -> None:
    program = "import sys, edge.server.board.app; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=HANGS_S)
    assert not {"numba", "scipy", "onnxruntime"} & set(result.stdout.split())
    assert "edge.server.board.clips" in result.stdout.split()


def test_a_detector_computes_in_one_thread() -> None:
    count = (
        "import atexit, os, sys; atexit.register(lambda: print(len(os.listdir('/proc/self/task')), file=sys.stderr))"
    )
    program = f"{count}; from edge.__main__ import main; main()"
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    command = [sys.executable, "-c", program, "detect", str(DEMO_AUDIO)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=HANGS_S, env=environment)
    assert result.stderr.splitlines()[-1] == "1"


def test_without_a_command_the_help_is_shown() -> None:
    assert "run" in laennec().stdout + laennec().stderr


def test_a_mistake_is_one_line_and_exit_code_2() -> None:
    result = laennec("run")
    assert (result.returncode, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("laennec: nothing to listen to")


def test_one_bad_file_does_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    result = laennec("detect", "--scores", tmp_path / "bad.wav", DEMO_AUDIO)
    assert result.returncode == 2
    assert len(result.stderr.strip().splitlines()) == 1
    assert "bad.wav" in result.stderr
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert {record["file"] for record in records} == {str(DEMO_AUDIO)}


def test_a_file_is_heard_whatever_its_name_and_the_terminal_s_encoding(tmp_path: Path) -> None:
    names = [os.fsdecode(b"b\xe4d.flac"), "gr\u00e4ser.flac"]  # the first is no UTF-8
    for name in names:
        shutil.copy(DEMO_AUDIO, tmp_path / name)
    for environment in ({}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}):
        command = [sys.executable, "-m", "edge", "detect", "--jsonl", *(os.fsencode(tmp_path / name) for name in names)]
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=HANGS_S, env={**os.environ, **environment}
        )
        assert (result.returncode, result.stderr) == (0, "")
        records = [json.loads(line) for line in result.stdout.splitlines()]
        assert len({record["file"] for record in records}) == 2


def test_a_full_standard_output_is_one_line_and_exit_code_2() -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "edge", "detect", DEMO_AUDIO]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=HANGS_S)
    assert result.returncode == 2
    assert result.stderr == "laennec: cannot write to standard output (No space left on device); make room there\n"


def test_of_a_file_cut_short_what_was_heard_is_told_before_the_error(tmp_path: Path) -> None:
    whole = DEMO_AUDIO.read_bytes()
    cut = tmp_path / "cut.flac"
    cut.write_bytes(whole[: len(whole) * 55 // 100])
    result = laennec("detect", "--jsonl", "--scores", cut)
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.returncode == 2
    assert "cut off or damaged after" in result.stderr
    assert any("label" in record for record in records)
    times = [record["t_s"] for record in records if "t_s" in record]
    np.testing.assert_allclose(np.diff(times), records[0]["dur_s"], atol=1e-5)  # no frame is left out
    assert times[0] == 0.0


def test_every_frame_of_a_file_without_a_number_is_listed_as_not_valid(tmp_path: Path) -> None:
    path = tmp_path / "nan.wav"
    soundfile.write(path, np.full(16_000, np.nan, np.float32), 8000, subtype="FLOAT")
    result = laennec("detect", "--scores", path)
    assert result.returncode == 2
    assert "nothing in 2.00 s can be judged" in result.stderr
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(records) == 16_000 // 256
    assert not any(record["valid"] for record in records)


@pytest.mark.skipif(not Path("/proc").exists(), reason="peak memory is read from /proc, which only Linux has")
def test_one_stream_needs_less_than_200_megabytes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edge", "run", "--source", str(DEMO_AUDIO), "--fast", "--port", str(free_port())]
    command += ["--outbox", str(tmp_path / "outbox.db")]
    laennec("detect", DEMO_AUDIO)  # compiles, if nothing is in the cache yet
    peaks_kb = [0]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        while child.poll() is None:
            with contextlib.suppress(OSError):
                status = Path(f"/proc/{child.pid}/status").read_text()
                peaks_kb += [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")]
            time.sleep(0.01)
    assert child.returncode == 2, "it has no broker"
    assert 0 < max(peaks_kb) < 200 * 1000


def test_the_card_of_the_model_is_printed_a_line_for_each_figure() -> None:
    result = laennec("model")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert any(line.startswith("  event F1 discontinuous: 0.") and line.endswith(")") for line in lines), "its interval"
    assert max(map(len, lines)) <= 140, "a person reads it on a terminal"


def long_file(folder: Path) -> Path:
    path = folder / "long.wav"
    with soundfile.SoundFile(path, "w", 8000, 1, "PCM_16") as file:
        for _ in range(60):
            file.write(np.zeros(8000 * 60, np.int16))
    return path


def test_ctrl_c_in_detect_ends_with_130_and_no_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edge", "detect", "--scores", *[str(long_file(tmp_path))] * 20]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.send_signal(signal.SIGINT)
        _, log = child.communicate(timeout=HANGS_S)
    assert child.returncode == 130
    assert log == ""


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    path = long_file(tmp_path)
    command = f"{sys.executable} -m edge detect --scores {path} | head -n 1"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=HANGS_S)
    assert json.loads(result.stdout)["t_s"] == 0
    assert result.stderr == ""


def run(port: int, outbox: Path, *more: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return laennec("run", "--source", DEMO_AUDIO, "--fast", "--port", port, "--outbox", outbox, "--node", "node", *more)


def test_a_run_and_detect_give_the_same_events(tmp_path: Path) -> None:
    with Broker("mosquitto") as broker:
        watcher = Watcher(broker.port)
        result = run(broker.port, tmp_path / "o.db")
        assert result.returncode == 0, result.stderr
        watcher.catch_up()
        ends = [body for body in watcher.bodies("s/bed1/event") if body["type"] == "end"]
        watcher.close()
    published = [(body["label"], round(body["sample"]["onset"] / body["sample"]["rate"], 4)) for body in ends]
    lines = laennec("detect", "--jsonl", DEMO_AUDIO).stdout.splitlines()
    assert sorted(published) == sorted((record["label"], record["onset_s"]) for record in map(json.loads, lines))
    assert published
    (summary,) = result.stdout.splitlines()
    assert summary.startswith("received 56.0 s, measurable ")


def test_a_run_of_files_that_could_deliver_nothing_ends_with_2_and_one_line_that_says_why_and_what_waits(
    tmp_path: Path,
) -> None:
    result = run(free_port(), tmp_path / "o.db")
    assert result.returncode == 2
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("laennec:")]
    assert line.startswith("laennec: nothing was delivered, broker=unreachable host=127.0.0.1")
    assert "broker=unreachable" in result.stderr
    assert "the next run delivers them" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_run_whose_password_is_wrong_ends_with_2_at_the_end_of_its_files_and_where_it_is_stopped(
    tmp_path: Path,
) -> None:
    (tmp_path / "passwords").touch(mode=0o600)
    settings = f"allow_anonymous false\npassword_file {tmp_path / 'passwords'}\nuser root"
    with Broker("mosquitto", settings=settings) as broker:
        ended = run(broker.port, tmp_path / "o.db")
        command = [sys.executable, "-m", "edge", "run", "--source", str(DEMO_AUDIO), "--port", str(broker.port)]
        with subprocess.Popen(
            [*command, "--outbox", str(tmp_path / "p.db")], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as child:
            assert child.stderr is not None
            log = [next(line for line in child.stderr if "broker=refused" in line)]
            child.send_signal(signal.SIGTERM)
            log += child.stderr.readlines()
    for code, lines in ((ended.returncode, ended.stderr.splitlines()), (child.returncode, log)):
        assert code == 2
        (line,) = [line for line in lines if line.startswith("laennec:")]
        assert "nothing was delivered, broker=refused host=127.0.0.1" in line
        assert "check mqtt.username and mqtt.password_file" in line


def test_a_run_of_what_cannot_be_judged_says_so(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "nan.wav", np.full(16_000, np.nan, np.float32), 8000, subtype="FLOAT")
    arguments = ("--fast", "--port", free_port(), "--outbox", tmp_path / "o.db")
    result = laennec("run", "--source", tmp_path / "nan.wav", *arguments)
    assert result.returncode == 2
    assert "measurable 0.0 s" in result.stdout
    assert "laennec: nothing of this sound can be judged;  laennec detect FILE  says why" in result.stderr


def test_settings_of_the_command_line_lie_over_those_of_the_file(tmp_path: Path) -> None:
    from edge.commands.run import _overridden

    names = ("source", "model", "channel", "adaptation", "host", "port", "node", "stream", "outbox", "runtime")
    given = dict.fromkeys(names) | {"port": 5, "node": "b"}
    tree = {"node": "a", "mqtt": {"host": "h", "port": 1}, "streams": [{"id": "x", "source": "y"}]}
    merged = _overridden(tree, given, True)
    assert merged == {
        "node": "b",
        "mqtt": {"host": "h", "port": 5},
        "streams": [{"id": "x", "source": "y", "pace": False}],
    }
    assert tree["streams"] == [{"id": "x", "source": "y"}]


def test_a_table_says_how_much_was_read_and_a_file_that_cannot_be_read_has_none(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "quiet.wav", np.zeros(80_000, np.float32), 8000)
    result = laennec("detect", tmp_path / "none.wav", tmp_path / "quiet.wav", DEMO_AUDIO)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    lines = result.stdout.splitlines()
    assert lines[0] == str(tmp_path / "quiet.wav")
    assert lines[1].startswith("no event in 10.0 s of sound, ")
    assert lines[2].startswith("not measurable: silence: nothing above -90 dBFS (loudness: check the plug")
    assert lines[3:5] == [str(DEMO_AUDIO), "  onset s     end s  sound           score"]
    assert lines[-1].startswith("8 events in 56.0 s of sound, ")
