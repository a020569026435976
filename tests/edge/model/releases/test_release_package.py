"""A package is a row of ordinary files; nothing else that a tar can hold is understood."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.errors import ModelError
from edge.model.releases.release import BLOCK, members, tar

FILES = {"manifest.json": b"{}", "manifest.sig": b"s" * 64, "a.onnx": b"x" * 1000}


def _read(path: Path) -> dict[str, bytes]:
    return {member.name: member.file.read(1 << 20) for member in members(path)}


def _odd(path: Path, entry: tarfile.TarInfo, form: int = tarfile.GNU_FORMAT) -> Path:
    """A tar with one entry that `tar` would not write."""
    with tarfile.open(path, "w", format=form) as writer:
        writer.addfile(entry, io.BytesIO(b"x" * entry.size))
    return path


def test_a_package_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "p.model").write_bytes(tar(FILES))
    assert _read(tmp_path / "p.model") == FILES
    assert list(_read(tmp_path / "p.model")) == list(FILES)


def test_any_tar_can_look_into_a_package() -> None:
    with tarfile.open(fileobj=io.BytesIO(tar(FILES))) as reader:
        assert reader.getnames() == list(FILES)


def test_the_same_files_give_the_same_package() -> None:
    assert tar(FILES) == tar(dict(FILES))


def test_a_folder_gives_the_same_files_in_the_same_order(tmp_path: Path) -> None:
    for name in reversed(FILES):
        (tmp_path / name).write_bytes(FILES[name])
    assert list(_read(tmp_path).items()) == list(FILES.items())


@given(st.binary(max_size=2000).filter(any))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_arbitrary_bytes_are_no_package(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.model").write_bytes(content)
    with pytest.raises(ModelError, match=r"p.model"):
        _read(tmp_path / "p.model")


@given(st.integers(0, 2 * BLOCK - 1), st.binary(min_size=1, max_size=20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_a_header_written_over_ends_in_a_clear_line_or_the_same_sizes(tmp_path: Path, at: int, content: bytes) -> None:
    whole = bytearray(tar(FILES))
    whole[at : at + len(content)] = content
    (tmp_path / "p.model").write_bytes(whole)
    try:
        read = _read(tmp_path / "p.model")
    except ModelError:
        return
    assert sum(map(len, read.values())) <= len(whole)


@pytest.mark.parametrize("length", [1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK - 1, 5 * BLOCK])
def test_a_package_that_was_cut_short_is_noticed(tmp_path: Path, length: int) -> None:
    (tmp_path / "p.model").write_bytes(tar(FILES)[:length])
    try:
        read = _read(tmp_path / "p.model")
    except ModelError:
        return
    assert len(read) < len(FILES)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_a_link_a_folder_or_a_device_is_refused(tmp_path: Path, kind: bytes) -> None:
    entry = tarfile.TarInfo("a.onnx")
    entry.type, entry.linkname = kind, "/etc/passwd"
    with pytest.raises(ModelError, match="no ordinary file"):
        _read(_odd(tmp_path / "p.model", entry))


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_an_extended_header_is_refused(tmp_path: Path, form: int) -> None:
    with pytest.raises(ModelError, match="no ordinary file"):
        _read(_odd(tmp_path / "p.model", tarfile.TarInfo("a" * 300), form))


@pytest.mark.parametrize("size", [b"77777777777\0", b"\x80" + b"\xff" * 11, b"\xff" * 12, b"-0000000001\0"])
def test_a_size_that_is_not_there_is_refused(tmp_path: Path, size: bytes) -> None:
    head = bytearray(tar(FILES)[:BLOCK])
    head[124:136] = size
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    (tmp_path / "p.model").write_bytes(bytes(head) + b"x" * BLOCK)
    with pytest.raises(ModelError, match=r"p.model"):
        _read(tmp_path / "p.model")


def test_a_compressed_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.model").write_bytes(gzip.compress(tar(FILES)))
    with pytest.raises(ModelError, match="not a package"):
        _read(tmp_path / "p.model")


@pytest.mark.parametrize("make", [lambda p: p.symlink_to("/etc/hostname"), os.mkfifo, Path.mkdir])
def test_a_folder_with_something_else_than_files_is_refused(tmp_path: Path, make: object) -> None:
    for name in ("manifest.json", "manifest.sig"):
        (tmp_path / name).write_bytes(FILES[name])
    make(tmp_path / "a.onnx")  # type: ignore[operator]
    with pytest.raises(ModelError, match=r"a.onnx: (cannot be read|expected an ordinary file)"):
        _read(tmp_path)
