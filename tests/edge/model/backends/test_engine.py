"""Engines are built once, kept whole, and built again when they do not fit: each time with one line that says why."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge.errors import ModelError
from edge.log import warn_once
from edge.model.backends.engine import CACHE, MAX_ENGINES, BatchSizes, Key, key_of
from edge.model.backends.tensorrt import TensorRtBackend
from tests.edge.model.backends.machine import Machine
from tests.edge.small_graph import chunk_batch, small_artefact

ARTEFACT = small_artefact()
SMALL = BatchSizes(1, 2, 3)


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    warn_once.cache_clear()


def start(machine: Machine, precision: str = "fp16", batches: BatchSizes = SMALL) -> TensorRtBackend:
    return TensorRtBackend(ARTEFACT, precision, machine.device, batches)


def causes(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.message for r in caplog.records if "engine=build " in r.message or "disk_cache=" in r.message]


def test_a_second_start_takes_the_engine_of_the_first(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    start(machine)
    start(machine)
    assert machine.trt.builds == 1
    assert len(causes(caplog)) == 1
    assert "cause=none_stored" in causes(caplog)[0]


def test_another_tensorrt_gpu_precision_range_or_graph_is_another_engine(machine: Machine) -> None:
    gpu, trt = machine.device.gpu, machine.device.trt
    here = key_of(ARTEFACT, "fp16", gpu, trt, SMALL)
    others = [
        key_of(ARTEFACT + b"x", "fp16", gpu, trt, SMALL),
        key_of(ARTEFACT, "int8", gpu, trt, SMALL),
        key_of(ARTEFACT, "fp16", gpu, trt, BatchSizes()),
        Key(**{**_fields(here), "tensorrt": "10.16.2"}),
        Key(**{**_fields(here), "gpu": "Orin NX"}),
        Key(**{**_fields(here), "compute_capability": "8.6"}),
    ]
    assert len({key.file_name() for key in [here, *others]}) == 7


def _fields(key: Key) -> dict[str, str]:
    return {name: getattr(key, name) for name in Key.__dataclass_fields__}


def test_after_an_upgrade_of_tensorrt_the_engine_is_built_again(machine: Machine) -> None:
    start(machine)
    machine.trt.__version__ = "10.16.2"
    start(machine)
    assert machine.trt.builds == 2


def test_an_engine_of_another_key_under_this_name_is_not_run(machine: Machine) -> None:
    start(machine, "fp16")
    (file,) = machine.engines()
    other = key_of(ARTEFACT, "int8", machine.device.gpu, machine.device.trt, SMALL)
    file.rename(file.with_name(other.file_name()))
    start(machine, "int8")
    assert machine.trt.builds == 2


@pytest.mark.parametrize("damage", ["flipped", "short", "empty"])
def test_a_damaged_engine_is_built_again_and_told_once(
    machine: Machine, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    start(machine)
    (file,) = machine.engines()
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes({"flipped": bytes(content), "short": bytes(content[:1000]), "empty": b""}[damage])
    backend = start(machine)
    assert machine.trt.builds == 2
    assert any(f"disk_cache=damaged file={file}" in line for line in causes(caplog))
    assert np.isfinite(backend.run(*chunk_batch(1))["scores"]).all()


def test_an_engine_that_tensorrt_refuses_is_built_again(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    start(machine)
    (file,) = machine.engines()
    key = key_of(ARTEFACT, "fp16", machine.device.gpu, machine.device.trt, SMALL)
    content = CACHE.read(file.name)
    assert content is not None
    CACHE.write(key.file_name(), content.partition(b"\n")[0] + b"\nwhat a magicTag error is for", MAX_ENGINES)
    start(machine)
    assert machine.trt.builds == 2
    assert "cause=refused_by_tensorrt" in causes(caplog)[-1]


def test_an_engine_with_other_types_is_not_used(machine: Machine) -> None:
    machine.trt.tensor_type = machine.trt.DataType.HALF
    with pytest.raises(ModelError, match="does not load the engine that it just built"):
        start(machine)
    assert machine.engines() == []


def test_a_build_that_fails_says_why_and_leaves_nothing(machine: Machine) -> None:
    machine.trt.build_error = "Could not find any implementation for node Conv_3"
    with pytest.raises(ModelError, match=r"10\.3\.0 cannot build the graph: Could not find any implementation"):
        start(machine)
    assert machine.engines() == []


def test_a_graph_that_cannot_be_parsed_is_named_by_its_node(machine: Machine) -> None:
    machine.trt.parse_error = "no importer"
    with pytest.raises(ModelError, match="cannot parse the graph: STFT node_7: no importer"):
        start(machine)


def test_a_folder_that_cannot_be_written_costs_a_build_at_every_start(
    machine: Machine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = machine.cache.parent / "file"
    blocked.touch()
    monkeypatch.setenv("CACHE_DIRECTORY", str(blocked))
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    start(machine)
    start(machine)
    assert machine.trt.builds == 2
    assert sum("disk_cache=not_written" in line for line in causes(caplog)) == 1


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_an_engine_that_others_may_write_is_not_run(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    start(machine)
    machine.engines()[0].chmod(0o666)
    start(machine)
    assert machine.trt.builds == 2
    assert any("disk_cache=refused" in line and "others_may_write" in line for line in causes(caplog))


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_nothing_is_put_where_others_may_write(machine: Machine) -> None:
    (machine.cache / "engines").mkdir(parents=True)
    (machine.cache / "engines").chmod(0o777)
    start(machine)
    assert [*(machine.cache / "engines").iterdir()] == []


def test_timings_of_one_build_serve_the_next_of_the_same_tensorrt(machine: Machine) -> None:
    start(machine, "fp16")
    start(machine, "int8")
    machine.trt.__version__ = "10.16.2"
    start(machine, "int8")
    assert machine.trt.timings_seen == [b"", b"timings of 10.3.0", b""]


def test_timings_that_tensorrt_does_not_take_are_left_out(machine: Machine) -> None:
    start(machine, "fp16")
    (file,) = machine.cache.rglob("*.timings")
    CACHE.write(file.name, b"of another GPU", 4)
    start(machine, "int8")
    assert machine.trt.timings_seen[-2:] == [b"of another GPU", b""]


def test_the_oldest_engines_go(machine: Machine) -> None:
    for number in range(MAX_ENGINES):
        CACHE.write(f"old-{number}.engine", b"", MAX_ENGINES)
        os.utime(machine.cache / "engines" / f"old-{number}.engine", (number, number))
    CACHE.read("old-0.engine")  # used just now
    start(machine)
    left = [path.name for path in machine.engines()]
    assert len(left) == MAX_ENGINES
    assert "old-0.engine" in left
    assert "old-1.engine" not in left


WRITER = """
import sys
from edge.model.backends.engine import CACHE
for _ in range(100):
    CACHE.write("same.engine", sys.argv[1].encode() * 200_000, 12)
"""


def test_two_processes_that_write_at_once_leave_one_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHE_DIRECTORY", str(tmp_path))
    CACHE.write("same.engine", b"a" * 200_000, 12)
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, mark], stderr=subprocess.PIPE) for mark in "ab"]
    seen: set[bytes | None] = set()
    while any(writer.poll() is None for writer in writers):
        seen.add(CACHE.read("same.engine"))
    assert [writer.communicate()[1] for writer in writers] == [b"", b""]
    assert seen | {CACHE.read("same.engine")} <= {b"a" * 200_000, b"b" * 200_000}
    assert [path.name for path in (tmp_path / "engines").iterdir()] == ["same.engine"]
