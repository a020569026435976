"""Files as sources: every subtype, every mistake, one clear line each."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.errors import ConfigError, SourceError
from edge.sources.file import FileSource
from edge.sources.opening import open_source
from edge.sources.source import read_source
from edge.types import Block, Gap
from training.synthetic.scene import scene


def output_of(source: FileSource) -> tuple[np.ndarray, np.ndarray]:
    """All samples and their mask, from index 0 on."""
    blocks = list(read_source(source, threading.Event()))
    position = 0
    for block in blocks:
        assert isinstance(block, Block)
        assert block.start == position
        position = block.stop
    return np.concatenate([b.samples for b in blocks]), np.concatenate([b.valid for b in blocks])


def until_error(source: FileSource) -> tuple[list[Block | Gap], str]:
    """What the source gives before it fails, and the line with which it does."""
    items: list[Block | Gap] = []
    try:
        for item in read_source(source, threading.Event()):
            items.append(item)
    except SourceError as error:
        return items, str(error)
    pytest.fail("the source did not fail")


def noise(count: int, channels: int = 1) -> np.ndarray:
    """Quiet noise, (N,) or (N, channels)."""
    return np.random.default_rng(0).normal(scale=0.1, size=(count, channels)).squeeze()


@pytest.mark.parametrize(
    ("name", "subtype", "steps"),
    [
        ("a.wav", "PCM_U8", 2**7),
        ("a.wav", "PCM_16", 2**15),
        ("a.wav", "PCM_24", 2**23),
        ("a.wav", "PCM_32", 2**23),
        ("a.wav", "FLOAT", 2**23),
        ("a.wav", "DOUBLE", 2**23),
        ("a.flac", "PCM_16", 2**15),
        ("a.flac", "PCM_24", 2**23),
        ("a.aiff", "PCM_16", 2**15),
        ("a.w64", "PCM_16", 2**15),
    ],
)
def test_each_subtype_is_read_as_it_was_written(tmp_path: Path, name: str, subtype: str, steps: int) -> None:
    samples = noise(8123)
    soundfile.write(tmp_path / name, samples, 8000, subtype=subtype)
    found, valid = output_of(FileSource(tmp_path / name, 8000))
    assert len(found) == 8123
    assert np.abs(found - samples).max() <= 1.0 / steps
    assert found.dtype == np.float32
    assert valid.all()


def lying(path: Path, kind: str, seconds: int) -> Path:
    """15 s of sound behind a header that promises `seconds`, 16 bits at 8 kHz."""
    soundfile.write(path, noise(15 * 8000), 8000, subtype="PCM_16", format=kind)
    content, promised = bytearray(path.read_bytes()), 16_000 * seconds
    if kind == "WAV":
        at = content.index(b"data") + 4
        content[at : at + 4] = promised.to_bytes(4, "little")
    elif kind == "RF64":
        at = content.index(b"ds64") + 8
        content[at : at + 24] = b"".join(n.to_bytes(8, "little") for n in (len(content) - 8, promised, promised // 2))
    else:  # W64: 16 bytes of name, 8 of size with these 24
        at = content.index(b"data") + 16
        content[at : at + 8] = (promised + 24).to_bytes(8, "little")
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [
        ("WAV", 100),
        ("WAV", 100_000),
        ("WAV", 260_000),
        ("RF64", 100),
        ("RF64", 625_000),
        ("W64", 100),
        ("W64", 625_000),
    ],
)
def test_a_header_that_promises_more_than_there_is_is_told_and_nothing_of_it_is_lost(
    kind: str, seconds: int, tmp_path: Path
) -> None:
    items, line = until_error(FileSource(lying(tmp_path / "a.wav", kind, seconds), 8000))
    assert f"cut off or damaged after 15.0 s of {seconds:.1f} s; what came before was read" in line
    assert items[-1] == Gap(15 * 8000, seconds * 8000, "file truncated")
    assert sum(len(block.samples) for block in items[:-1] if isinstance(block, Block)) == 15 * 8000


@pytest.mark.parametrize("kind", ["WAV", "RF64", "W64"])
def test_a_header_that_promises_what_there_is_is_believed(kind: str, tmp_path: Path) -> None:
    assert len(output_of(FileSource(lying(tmp_path / "a.wav", kind, 15), 8000))[0]) == 15 * 8000


@pytest.mark.parametrize("name", ["a.ogg", "a.mp3"])
def test_lossy_formats_are_read_too(tmp_path: Path, name: str) -> None:
    soundfile.write(tmp_path / name, noise(16000), 8000)
    assert len(output_of(FileSource(tmp_path / name, 8000))[0]) >= 16000


def mp3(path: Path, bitrate_mode: str = "VARIABLE") -> bytearray:
    """15 s of noise, which libmpg123 finds odd."""
    soundfile.write(path, noise(15 * 8000), 8000, bitrate_mode=bitrate_mode, compression_level=0.5)
    return bytearray(path.read_bytes())


@pytest.mark.parametrize("damage", ["nothing", "cut", "hole", "text"])
def test_an_mp3_is_read_or_refused_in_one_line_and_its_library_says_nothing(
    damage: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.mp3"
    content = mp3(path)
    if damage == "cut":
        del content[len(content) // 2 :]
    elif damage == "hole":
        content[len(content) // 2 : len(content) // 2 + 3000] = np.random.default_rng(0).bytes(3000)
    elif damage == "text":
        content = bytearray(b"no sound at all\n" * 1000)
    path.write_bytes(content)
    if damage == "nothing":
        assert len(output_of(FileSource(path, 8000))[0]) == 15 * 8000
    elif damage == "text":
        with pytest.raises(SourceError, match="is no sound file that can be read"):
            FileSource(path, 8000)
    else:
        items, line = until_error(FileSource(path, 8000))
        assert re.search(r"cut off or damaged after [67]\.\d s of 15\.0 s", line)
        assert 48_000 < items[-2].stop < 64_000
    assert capfd.readouterr() == ("", "")


def test_what_this_program_writes_to_stderr_while_an_mp3_is_read_is_not_lost(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    mp3(tmp_path / "a.mp3")
    for _ in FileSource(tmp_path / "a.mp3", 8000).blocks(threading.Event()):
        os.write(2, b"x")
    assert set(capfd.readouterr().err) == {"x"}


def test_an_mp3_that_does_not_say_how_long_it_is_ends_where_it_ends(tmp_path: Path) -> None:
    content = mp3(tmp_path / "a.mp3", "CONSTANT")
    counted = content.index(b"Info")
    second = content.index(content[:2], counted)  # sync word of the frame after the one that counts
    (tmp_path / "a.mp3").write_bytes(content[second : len(content) // 2])
    source = FileSource(tmp_path / "a.mp3", 8000)
    assert not source.has_length
    assert 48_000 < len(output_of(source)[0]) < 64_000


@pytest.mark.parametrize(("rate_hz", "share"), [(1000, "12%"), (2000, "25%"), (3999, "50%")])
def test_a_file_with_less_than_half_of_what_the_model_hears_is_refused(
    rate_hz: int, share: str, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "a.wav", noise(10 * rate_hz), rate_hz)
    with pytest.raises(SourceError, match=f"a rate of {rate_hz} Hz holds .* {share} of .*; record at 4000 Hz or more"):
        FileSource(tmp_path / "a.wav", 8000)


@pytest.mark.parametrize("from_hz", [4000, 11025, 44100, 48000, 192000])
def test_any_rate_comes_out_at_the_rate_of_the_model(tmp_path: Path, from_hz: int) -> None:
    click = from_hz // 1000 * 441
    samples = np.zeros(from_hz, np.float32)
    samples[click] = 0.9
    soundfile.write(tmp_path / "a.wav", samples, from_hz, subtype="FLOAT")
    found, _ = output_of(FileSource(tmp_path / "a.wav", 8000))
    assert len(found) == 8000
    assert abs(int(np.argmax(np.abs(found))) - click * 8000 / from_hz) <= 0.5


def test_blocks_are_short_however_long_the_file_is(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(80000), 8000)
    source = open_source(str(tmp_path / "a.wav"), 8000)
    assert (
        max(len(block.samples) for block in read_source(source, threading.Event()) if isinstance(block, Block)) <= 800
    )


def test_one_of_eight_channels_is_heard(tmp_path: Path) -> None:
    samples = noise(1000, 8)
    soundfile.write(tmp_path / "a.wav", samples, 8000, subtype="FLOAT")
    found, _ = output_of(FileSource(tmp_path / "a.wav", 8000, channel=8))
    np.testing.assert_array_equal(found, samples[:, 7].astype(np.float32))


@pytest.mark.parametrize(
    ("channels", "channel", "line"),
    [
        (8, None, "has 8 channels; choose one, channel 1 to 8"),
        (2, 0, "no channel 0; channels are counted from 1 to 2"),
        (2, 3, "no channel 3; channels are counted from 1 to 2"),
        (1, 2, "no channel 2; it has only channel 1"),
    ],
)
def test_a_channel_that_is_not_chosen_or_not_there_is_the_operators_mistake(
    tmp_path: Path, channels: int, channel: int | None, line: str
) -> None:
    soundfile.write(tmp_path / "a.wav", noise(100, channels), 8000)
    with pytest.raises(ConfigError, match=line):
        FileSource(tmp_path / "a.wav", 8000, channel)


def test_samples_that_are_no_numbers_are_invalid_and_never_passed_on(tmp_path: Path) -> None:
    samples = noise(1000).astype(np.float32)
    samples[[10, 20, 30]] = np.nan, np.inf, 1e30
    soundfile.write(tmp_path / "a.wav", samples, 8000, subtype="FLOAT")
    found, valid = output_of(FileSource(tmp_path / "a.wav", 8000))
    assert np.flatnonzero(~valid).tolist() == [10, 20, 30]
    assert not found[~valid].any()


def test_samples_that_are_no_sound_are_counted(tmp_path: Path) -> None:
    samples = noise(1000).astype(np.float32)
    samples[[10, 20, 30]] = np.nan, np.inf, 1e30
    soundfile.write(tmp_path / "a.wav", samples, 8000, subtype="FLOAT")
    source = FileSource(tmp_path / "a.wav", 8000)
    output_of(source)
    assert (source.not_sound, source.read) == (3, 1000)


@pytest.mark.parametrize("rate_hz", [8000, 44100])
def test_a_file_full_of_nan_is_read_to_its_end_and_nothing_is_measurable(tmp_path: Path, rate_hz: int) -> None:
    soundfile.write(tmp_path / "a.wav", np.full(2 * rate_hz, np.nan, np.float32), rate_hz, subtype="FLOAT")
    found, valid = output_of(FileSource(tmp_path / "a.wav", 8000))
    assert len(found) == 16000
    assert not valid.any()
    assert not found.any()


class VirtualStop(threading.Event):
    """A stop that is never set; waiting for it moves a virtual clock."""

    now_s = 100.0

    def wait(self, timeout: float | None = None) -> bool:
        """Let the time pass."""
        self.now_s += timeout or 0.0
        return False


def test_a_paced_file_comes_at_the_times_of_a_microphone_without_drift(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(44100), 44100)
    stop = VirtualStop()
    late_s = 0.0
    source = FileSource(tmp_path / "a.wav", 44100, pace=True, clock=lambda: stop.now_s)
    for turn, block in enumerate(read_source(source, stop)):
        due_s = 100.0 + block.stop / 44100
        assert stop.now_s == pytest.approx(max(due_s, late_s), abs=1e-6)
        if turn == 3:
            late_s = stop.now_s = stop.now_s + 0.25  # a consumer that is late for once; the file catches up
    assert stop.now_s == pytest.approx(101.0)


@pytest.mark.parametrize("name", ["mic", "mic:USB", "link:chest", "-"])
def test_a_file_that_is_called_as_another_source_is_opened_by_its_path(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    soundfile.write(f"./{name}", noise(8000), 8000, format="WAV")
    assert len(output_of(open_source(f"./{name}", 8000))[0]) == 8000  # type: ignore[arg-type]


def test_stop_ends_a_paced_file_between_blocks(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(8000 * 60), 8000)
    stop = threading.Event()
    source = FileSource(tmp_path / "a.wav", 8000, pace=True)
    count = 0
    for _ in read_source(source, stop):
        count += 1
        if count == 2:
            stop.set()
    assert count == 2


def test_close_in_the_middle_ends_the_blocks(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(80000), 8000)
    source = FileSource(tmp_path / "a.wav", 8000)
    blocks = read_source(source, threading.Event())
    next(blocks)
    source.close()
    source.close()
    with pytest.raises(StopIteration):
        next(blocks)


def test_the_published_wavs_with_a_wrong_block_alignment_are_read(real_data: Path) -> None:
    for path in sorted((real_data / "sprsound" / "original_wav").glob("*.wav")):
        found, valid = output_of(FileSource(path, 8000))
        twin = (real_data / "sprsound" / "train" / path.name).with_suffix(".flac")
        expected, _ = soundfile.read(twin, dtype="float32")
        np.testing.assert_array_equal(found, expected)
        assert valid.all()


def test_icbhi_recordings_of_every_rate_and_depth_are_read(real_data: Path) -> None:
    for path in sorted((real_data / "icbhi" / "ICBHI_final_database").glob("*.wav")):
        info = soundfile.info(path)
        found, valid = output_of(FileSource(path, 8000))
        assert len(found) == -(-info.frames * 8000 // info.samplerate)
        assert valid.all()


def test_a_synthetic_scene_survives_the_way_through_a_file(tmp_path: Path) -> None:
    samples, _ = scene(1, 3.0)
    soundfile.write(tmp_path / "a.flac", samples, 8000, subtype="PCM_16")
    np.testing.assert_array_equal(output_of(FileSource(tmp_path / "a.flac", 8000))[0], samples)
