"""Clips of a folder: what lies there whole is known, and nothing else can be asked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge.clips.folder import ABOUT, SOUND
from edge.errors import SourceError
from edge.server.board.clips import ClipIndex
from tests.edge.server.board.board_clips import a_clip, hearing, put

EVENT_ID = "01KB2M0000000000000000TEST"


def index_of(path: Path, *sites: str) -> ClipIndex:
    index = ClipIndex(path, sites)
    index.refresh()
    return index


def test_a_clip_is_found_with_its_event_and_its_sound(tmp_path: Path) -> None:
    clip = put(tmp_path, a_clip(EVENT_ID))
    index = index_of(tmp_path)
    assert [event.id for event in index.clips[clip.id].events] == [EVENT_ID]
    assert index.sound(clip.id) == ((tmp_path / f"{clip.id}{SOUND}").read_bytes(), hearing())


def test_new_clips_are_found_and_old_ones_forgotten(tmp_path: Path) -> None:
    first = put(tmp_path, a_clip(EVENT_ID))
    index = index_of(tmp_path)
    second = put(tmp_path, a_clip(EVENT_ID))
    index.refresh()
    assert set(index.clips) == {first.id, second.id}
    (tmp_path / f"{first.id}{SOUND}").unlink()
    index.refresh()
    assert set(index.clips) == {second.id}
    with pytest.raises(SourceError, match="no such clip"):
        index.sound(first.id)


def test_a_clip_that_came_in_the_same_tick_of_the_clock_is_found(tmp_path: Path) -> None:
    put(tmp_path, a_clip(EVENT_ID))
    tick_ns = tmp_path.stat().st_mtime_ns
    index = index_of(tmp_path)
    second = put(tmp_path, a_clip(EVENT_ID))
    os.utime(tmp_path, ns=(tick_ns, tick_ns))
    index.refresh()
    assert second.id in index.clips


@pytest.mark.parametrize("ident", ["../secret", "/etc/passwd", "", "secret", "\0"])
def test_nothing_but_clips_can_be_asked_for(tmp_path: Path, ident: str) -> None:
    (tmp_path / "clips").mkdir()
    for name in ("secret.flac", "clips/secret.flac"):
        (tmp_path / name).write_bytes(b"secret")
    index = index_of(tmp_path / "clips")
    assert index.clips == {}
    with pytest.raises(SourceError, match="no such clip"):
        index.sound(ident)


def test_a_damaged_description_and_one_of_another_clip_are_no_clips(tmp_path: Path) -> None:
    first, second = put(tmp_path, a_clip(EVENT_ID)), put(tmp_path, a_clip(EVENT_ID))
    (tmp_path / f"{first.id}{ABOUT}").write_bytes((tmp_path / f"{second.id}{ABOUT}").read_bytes())
    (tmp_path / f"{second.id}{ABOUT}").write_bytes(b"{")
    assert index_of(tmp_path).clips == {}


def test_clips_of_other_sites_are_not_shown(tmp_path: Path) -> None:
    mine, _ = put(tmp_path, a_clip(EVENT_ID)), put(tmp_path, a_clip(EVENT_ID), hearing(site="ward-c"))
    assert set(index_of(tmp_path, "ward-b").clips) == {mine.id}


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    assert index_of(tmp_path / "no").why_none.startswith("the folder of clips cannot be read")
    assert ClipIndex(None).why_none == "no folder of clips is set for this board"
