"""`laennec score` with real processes: the command killed, a worker killed, and a worker of a Dask cluster killed."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

from edge.commands.demo_broker import free_port
from edge.sources.file_search import DEMO_AUDIO
from tests.conftest import HANGS_S
from tests.edge.conftest import wait_for

parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")

COUNT = 8
Command = subprocess.Popen[str]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some minutes of sound, and a file that is none."""
    folder = tmp_path_factory.mktemp("archive")
    samples, rate_hz = soundfile.read(DEMO_AUDIO, dtype="float32")
    for number in range(COUNT):
        soundfile.write(folder / f"r{number}.wav", samples * np.float32(1 - number / 50), rate_hz)
    (folder / "damaged.wav").write_bytes(b"RIFF and nothing")
    return folder


def begin(archive: Path, out: Path, *options: str) -> Command:
    line = [sys.executable, "-m", "edge", "score", str(archive), "--out", str(out), *options]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(command: Command) -> str:
    output, error = command.communicate(timeout=HANGS_S)
    assert command.returncode == 0, error
    return output.strip()


def tables(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*.parquet"))}


def names(out: Path) -> list[tuple[str, str]]:
    rows = parquet.read_table(out / "recordings").to_pylist()
    return [(Path(row["name"]).name, row["status"]) for row in rows]


ALL = [("damaged.wav", "damaged"), *((f"r{number}.wav", "ok") for number in range(COUNT))]


def workers_of(command: Command) -> list[psutil.Process]:
    """Processes that score; the first child of `spawn` only watches resources."""
    return [child for child in psutil.Process(command.pid).children() if "spawn_main" in line_of(child)]


def line_of(child: psutil.Process) -> str:
    """Its command line; empty of one that died just now."""
    try:
        return " ".join(child.cmdline())
    except psutil.NoSuchProcess:
        return ""


def is_alive(child: psutil.Process) -> bool:
    """Whether it runs; of one that ends meanwhile, too."""
    try:
        return child.is_running() and child.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="module")
def whole(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of a run that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole") / "out"
    output = finish(begin(archive, out, "--workers", "2"))
    assert output == f"9 of 9 recordings scored, 1 of them damaged or cut off; tables in {out}"
    return out


def test_an_archive_becomes_tables(whole: Path) -> None:
    assert names(whole) == ALL
    events = parquet.read_table(whole / "events").to_pylist()
    assert len(events) >= COUNT
    assert {event["label"] for event in events} <= {"wheeze", "rhonchus", "stridor", "fine_crackle", "coarse_crackle"}


def test_killed_and_resumed_gives_the_same_tables_byte_for_byte(archive: Path, whole: Path, tmp_path: Path) -> None:
    out, options = tmp_path / "out", ["--workers", "1"]
    for delay_s in (4.0, 8.0, 12.0):
        command = begin(archive, out, *options)
        time.sleep(delay_s)
        command.kill()
        command.communicate()
        options = ["--workers", "1", "--resume"]
    finish(begin(archive, out, *options))
    assert tables(out) == tables(whole)


def test_the_workers_of_a_command_that_was_killed_do_not_outlive_it(archive: Path, tmp_path: Path) -> None:
    command = begin(archive, tmp_path / "out", "--workers", "2")
    children = wait_for(lambda: len(found := workers_of(command)) == 2 and found, "two workers")
    command.send_signal(signal.SIGKILL)
    command.communicate()
    wait_for(lambda: not any(map(is_alive, children)), "their end")
    assert not [child for child in children if is_alive(child)]


def test_a_worker_that_is_killed_costs_no_recording(archive: Path, whole: Path, tmp_path: Path) -> None:
    command = begin(archive, tmp_path / "out", "--workers", "2")
    workers = wait_for(lambda: both if len(both := workers_of(command)) == 2 else [], "two workers")
    workers[0].kill()
    finish(command)
    assert names(tmp_path / "out") == ALL
    assert tables(tmp_path / "out") == tables(whole)


def test_workers_that_are_killed_while_recordings_go_one_by_one_cost_none(
    archive: Path, whole: Path, tmp_path: Path
) -> None:
    command = begin(archive, tmp_path / "out", "--workers", "2")
    wait_for(lambda: len(workers_of(command)) == 2, "two workers")
    killed: set[int] = set()
    for _ in range(3):  # after the first, one recording is out at a time
        worker = wait_for(lambda: [each for each in workers_of(command) if each.pid not in killed], "a worker")[0]
        killed.update(each.pid for each in workers_of(command))
        worker.kill()
    finish(command)
    assert names(tmp_path / "out") == ALL
    assert tables(tmp_path / "out") == tables(whole)


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and two workers of one thread."""
    dask, port = [sys.executable, "-m", "dask"], free_port()
    address, quiet = f"tcp://127.0.0.1:{port}", subprocess.DEVNULL
    scheduler = [*dask, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    worker = [*dask, "worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory"]
    lines = [scheduler, [*worker, str(folder / "w1")], [*worker, str(folder / "w2")]]
    running = [subprocess.Popen(line, stdout=quiet, stderr=quiet, cwd=folder) for line in lines]
    try:
        from distributed import Client

        with Client(address, timeout=HANGS_S) as client:
            client.wait_for_workers(2, timeout=HANGS_S)
        yield address, running[1:]
    finally:
        for each in running:
            each.kill()
            each.wait()


@pytest.mark.filterwarnings("ignore")  # what Dask leaves open in this process is its own
def test_a_worker_of_a_cluster_that_is_killed_costs_no_recording(archive: Path, whole: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="Dask is not installed")
    with cluster(tmp_path) as (address, workers):
        command = begin(archive, tmp_path / "out", "--scheduler", address)
        time.sleep(8)
        workers[0].kill()
        finish(command)
    assert tables(tmp_path / "out") == tables(whole)
    gc.collect()  # what Dask leaves open goes in the test that left it


def test_an_interrupted_command_says_how_to_go_on(archive: Path, tmp_path: Path) -> None:
    command = begin(archive, tmp_path / "out", "--workers", "1")
    wait_for(lambda: workers_of(command), "a worker")
    command.send_signal(signal.SIGINT)
    output, error = command.communicate(timeout=HANGS_S)
    assert command.returncode == 130
    assert "recordings scored" in output
    assert error.splitlines()[-1] == "stopped; the same command with --resume goes on"


@pytest.mark.parametrize(
    ("options", "output"),
    [
        (["--workers", "0"], "--workers 0: expected 1 or more"),
        (["--workers", "2", "--scheduler", "tcp://x:1"], "exclude each other"),
        (["--scheduler", "tcp://127.0.0.1:9"], "cannot be reached"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(options: list[str], output: str, archive: Path, tmp_path: Path) -> None:
    command = begin(archive, tmp_path / "out", *options)
    _, error = command.communicate(timeout=HANGS_S)
    assert command.returncode == 2
    assert output in error.splitlines()[-1]
    assert "Traceback" not in error


def test_results_are_not_written_over_without_resume(archive: Path, whole: Path) -> None:
    before = os.stat(whole / "ledger.sqlite").st_mtime_ns
    command = begin(archive, whole)
    _, error = command.communicate(timeout=HANGS_S)
    assert error.splitlines()[-1].endswith("holds results already; give --resume to go on there, or another --out")
    assert os.stat(whole / "ledger.sqlite").st_mtime_ns == before
