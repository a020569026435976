"""Clips on disk: whole or not there, nobody else's to read, within their bounds; and read again as they were."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.clips import folder as module
from edge.clips.clip import Cause
from edge.clips.folder import ClipFolder, QuotaError, encode, find_clip, read_pcm, recorded_s
from edge.errors import SourceError
from tests.edge.clips.clips import EVENT_ID, HEARING, clip
from tests.edge.full_disk import small_disk

NOW_S = 1_795_000_000.0
DAY_S = 86_400.0


def opened(path: Path, max_bytes: int = 10**6, keep_s: float = 7 * DAY_S) -> ClipFolder:
    clips = ClipFolder(path, max_bytes, keep_s)
    clips.open()
    return clips


def names(path: Path) -> list[str]:
    return sorted(each.name for each in path.iterdir())


def test_a_clip_is_read_again_as_it_was(tmp_path: Path) -> None:
    clips, one = opened(tmp_path / "clips"), clip(NOW_S)
    clips.put(one, HEARING, NOW_S, speech=False)
    about = find_clip(tmp_path / "clips", EVENT_ID)
    assert find_clip(tmp_path / "clips", one.id) == about
    assert (about.start, about.stop, about.gaps, about.gains) == (5000, 13000, ((5100, 5110),), ((9, 0.0),))
    assert (about.hearing, about.events, about.begin_time) == (HEARING, one.events, "2026-11-18T11:06:40.000Z")
    np.testing.assert_array_equal(read_pcm(tmp_path / "clips", about), one.pcm)


def test_the_sound_is_an_ordinary_file_with_zeros_in_its_gaps(tmp_path: Path) -> None:
    clips, one = opened(tmp_path), clip(NOW_S)
    clips.put(one, HEARING, NOW_S, speech=False)
    sound, rate_hz = soundfile.read(tmp_path / f"{one.id}.flac", dtype="int16")
    assert (rate_hz, len(sound), sound[99:111].tolist()) == (8000, 8000, [one.pcm[99], *[0] * 10, one.pcm[110]])


def test_nobody_else_may_read_clips(tmp_path: Path) -> None:
    clips = opened(tmp_path / "clips")
    clips.put(clip(NOW_S), HEARING, NOW_S, speech=False)
    rights = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "clips", *(tmp_path / "clips").iterdir())]
    assert rights == [0o700, 0o600, 0o600]


def test_the_oldest_go_for_new_ones_those_of_events_before_others(tmp_path: Path) -> None:
    size = len(encode(clip(NOW_S), 8000))
    clips = opened(tmp_path, max_bytes=4 * size)
    causes = [Cause("alarm"), Cause("event"), Cause("event"), Cause("command"), Cause("event")]
    made = [clip(NOW_S + at, cause=cause) for at, cause in enumerate(causes)]
    for each in made:
        clips.put(each, HEARING, NOW_S, speech=False)
    assert {path.stem for path in tmp_path.glob("*.flac")} == {made[0].id, made[3].id, made[4].id}
    assert clips.bytes == sum(path.stat().st_size for path in tmp_path.iterdir()) <= 4 * size
    again = opened(tmp_path, max_bytes=4 * size)
    again.put(clip(NOW_S + 9), HEARING, NOW_S, speech=False)
    assert made[4].id not in {path.stem for path in tmp_path.iterdir()}, "it knows after a restart what they are of"


def test_a_clip_of_an_event_takes_the_room_of_events_alone_and_one_of_an_alarm_any(tmp_path: Path) -> None:
    clips = opened(tmp_path, max_bytes=100_000)
    put = [clip(NOW_S + at, cause=Cause("alarm" if at % 2 else "command")) for at in range(20)]
    for each in put:
        clips.put(each, HEARING, NOW_S, speech=False)
    before = names(tmp_path)
    with pytest.raises(QuotaError, match=r"alarms and commands take all that clips\.max_mb allows"):
        clips.put(clip(NOW_S + 50), HEARING, NOW_S, speech=False)
    assert names(tmp_path) == before
    newest = clip(NOW_S + 60, cause=Cause("alarm"))
    clips.put(newest, HEARING, NOW_S, speech=False)
    assert f"{newest.id}.flac" in names(tmp_path)
    assert len(names(tmp_path)) == len(before)


def test_a_clip_that_is_larger_than_everything_may_be_takes_nobodys_place(tmp_path: Path) -> None:
    clips = opened(tmp_path, max_bytes=30_000)
    clips.put(clip(NOW_S), HEARING, NOW_S, speech=False)
    with pytest.raises(QuotaError, match="max_mb"):
        clips.put(clip(NOW_S, samples=80_000), HEARING, NOW_S, speech=False)
    assert clips.files == 1


def test_clips_go_when_they_are_old(tmp_path: Path) -> None:
    clips = opened(tmp_path, keep_s=DAY_S)
    old, new = clip(NOW_S - DAY_S - 1), clip(NOW_S - DAY_S + 1)
    for each in (old, new):
        clips.put(each, HEARING, NOW_S, speech=False)
    clips.expire(NOW_S)
    assert names(tmp_path) == [f"{new.id}.flac", f"{new.id}.json"]
    assert recorded_s(old.id) == NOW_S - DAY_S - 1


def test_what_was_recorded_before_the_clock_was_set_is_kept_for_its_days_from_when_it_was(tmp_path: Path) -> None:
    plausible_s, clips, old = NOW_S - 300 * DAY_S, opened(tmp_path, keep_s=DAY_S), clip(1000.0)
    clips.put(old, HEARING, 1000.0, speech=False)
    os.utime(tmp_path / f"{old.id}.flac", (1000.0, 1000.0))  # by the same clock
    clips.expire(NOW_S, plausible_s)
    assert clips.files == 1
    again = opened(tmp_path, keep_s=DAY_S)  # also after a restart
    again.expire(NOW_S + DAY_S - 1, plausible_s)
    assert again.files == 1
    again.expire(NOW_S + DAY_S + 1, plausible_s)
    assert names(tmp_path) == []


def test_what_a_death_left_is_removed_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    one, torn = clip(NOW_S), clip(NOW_S + 1)
    opened(tmp_path).put(one, HEARING, NOW_S, speech=False)
    left = [f"{torn.id}.flac.partial", f"{torn.id}.json", "notes.json", "x.partial"]
    for name in left:
        (tmp_path / name).write_text("x")
    assert opened(tmp_path).files == 1
    assert names(tmp_path) == sorted([f"{one.id}.flac", f"{one.id}.json", "notes.json", "x.partial"])


@pytest.mark.parametrize("ending", [".json.partial", ".flac.partial"])
def test_a_disk_that_refuses_leaves_nothing_of_a_clip(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = module._write

    def refuses(path: Path, content: bytes) -> None:
        write(path, content[: len(content) // 2])
        if path.name.endswith(ending):
            raise OSError(28, "No space left on device")

    clips = opened(tmp_path)
    monkeypatch.setattr(module, "_write", refuses)
    with pytest.raises(OSError, match="No space"):
        clips.put(clip(NOW_S), HEARING, NOW_S, speech=False)
    assert (names(tmp_path), clips.files) == ([], 0)


def test_a_full_disk_takes_no_clip_and_the_next_one_when_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        clips = opened(disk.path / "clips")
        disk.fill()
        with pytest.raises(OSError, match="space"):
            clips.put(clip(NOW_S), HEARING, NOW_S, speech=False)
        assert names(disk.path / "clips") == []
        disk.free()
        clips.put(clip(NOW_S), HEARING, NOW_S, speech=False)
        assert clips.files == len(list((disk.path / "clips").glob("*.flac"))) == 1


def test_what_cannot_be_replayed_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no folder of clips"):
        find_clip(tmp_path / "none", EVENT_ID)
    one = clip(NOW_S)
    opened(tmp_path).put(one, HEARING, NOW_S, speech=False)
    with pytest.raises(SourceError, match="no clip of 01X among 1"):
        find_clip(tmp_path, "01X")
    (tmp_path / f"{one.id}.flac").write_bytes(b"x")
    with pytest.raises(SourceError, match="damaged"):
        read_pcm(tmp_path, find_clip(tmp_path, one.id))
