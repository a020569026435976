"""Frames of clips: those of the one front-end, as many as a clip has hops, computed once whoever asks."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import kaldi_native_fbank
import numpy as np
import pytest
import soundfile

from edge.errors import ConfigError
from edge.features import FRONT_ENDS, FeatureSpec, FrontEnd
from edge.types import Block
from tests.training.clips.ward import make_ward, tiny_recipe, ward_clips
from training.clips import front_end as module
from training.clips.cut import ClipPolicy, cut
from training.clips.front_end import cached_clip_frames, clip_frames, clip_quality, computed_clip_frames
from training.clips.schema import load_recipe
from training.datasets.files import read_sound

POLICY = ClipPolicy(seconds=1.5, pad="none")


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_ward(tmp_path_factory.mktemp("ward"), 2)


@pytest.mark.parametrize("name", FRONT_ENDS)
@pytest.mark.parametrize("count", [90, 400, 4001])
def test_every_clip_has_as_many_frames_as_hops(name: str, count: int) -> None:
    spec = FRONT_ENDS[name]
    samples = np.random.default_rng(0).normal(0, 0.1, count).astype(np.float32)
    values = clip_frames(samples, FrontEnd(spec))
    assert values.shape == (-(-count // spec.hop_samples), spec.width)
    assert np.isfinite(values).all()


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_frames_inside_a_clip_are_those_of_a_stream_with_silence_around_it(name: str) -> None:
    spec = replace(FRONT_ENDS[name], deltas=1)
    samples = np.random.default_rng(0).normal(0, 0.1, spec.rate_hz).astype(np.float32)
    values = clip_frames(samples, FrontEnd(spec))
    lead = 60 * spec.hop_samples
    sound = np.concatenate([np.zeros(lead), samples, np.zeros(spec.rate_hz)]).astype(np.float32)
    front_end = FrontEnd(spec)
    made = front_end.push(Block(0, sound, np.ones(len(sound), np.bool_))) + front_end.flush()
    stream = np.concatenate([f.values for f in made])[60 - made[0].start :][: len(values)]
    if name not in ("pcen", "hear"):  # whose smoother remembers how long there was silence
        np.testing.assert_allclose(values, stream, atol=0.02)  # dB; wavelets 60 dB below their clip's peak: 0.006


def test_the_specs_of_patchmix_are_kaldis_filter_banks_of_the_published_code() -> None:
    recipe = load_recipe("patchmix", "paper")
    spec, policy = recipe.features["fbank"], recipe.clip.cycle
    rng = np.random.default_rng(0)
    samples = np.convolve(rng.normal(0, 0.05, 16_000), np.hanning(9) / 4, "same").astype(np.float32)
    heard = samples - samples.mean()
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.samp_freq, options.frame_opts.dither = 16_000, 0
    options.frame_opts.window_type, options.frame_opts.snip_edges = "hanning", True
    options.frame_opts.remove_dc_offset = True
    options.mel_opts.num_bins, options.use_energy, options.htk_compat = 128, False, True
    bank = kaldi_native_fbank.OnlineFbank(options)
    bank.accept_waveform(16_000, heard.tolist())
    bank.input_finished()
    kaldi = np.stack([bank.get_frame(i) for i in range(bank.num_frames_ready)])
    expected = (np.maximum(kaldi, np.log(1.1920929e-7)) + 4.2677393) / (2 * 4.5689974)
    emphasised = policy.model_copy(update={"pad": "none", "fade_s": 0.0})
    clip = replace(ward_like_clip(), end_s=None)
    ours = clip_frames(cut(samples, 16_000, clip, emphasised), FrontEnd(spec))[: len(expected)]
    assert np.abs(ours - expected).mean() < 0.01  # of a unit in which AudioSet has a deviation of 1/2
    assert np.abs(ours[:, 8:] - expected[:, 8:]).max() < 0.15  # lowest bands: kaldi removes each frame's mean


def ward_like_clip() -> module.Clip:
    from training.datasets import Recording

    return module.Clip(Recording(Path("a.wav"), "a", "Normal", ()), 0.0, 1.0, "Normal", 0)


def test_cached_frames_are_those_that_are_computed(ward: Path, tmp_path: Path) -> None:
    clips, specs = ward_clips(ward), tiny_recipe().features
    kept, made = cached_clip_frames(clips, specs, POLICY, tmp_path), computed_clip_frames(clips, specs, POLICY)
    again = cached_clip_frames(clips, specs, POLICY, tmp_path)
    assert len(kept) == len(clips)
    for i in range(len(clips)):
        np.testing.assert_array_equal(kept.clip(i), made.clip(i))
        np.testing.assert_array_equal(again.clip(i), made.clip(i))
    assert len(list(tmp_path.glob("clips-*.lock"))) == 1


def test_another_spec_policy_or_clip_has_another_place(ward: Path, tmp_path: Path) -> None:
    clips, specs = ward_clips(ward), tiny_recipe().features
    changed = {"mel": replace(specs["mel"], offset=(-50.0,))}
    cached_clip_frames(clips, specs, POLICY, tmp_path)
    cached_clip_frames(clips, changed, POLICY, tmp_path)
    cached_clip_frames(clips, specs, ClipPolicy(seconds=1.4), tmp_path)
    cached_clip_frames(clips[1:], specs, POLICY, tmp_path)
    assert len([path for path in tmp_path.glob("clips-*") if path.is_dir()]) == 4


def test_a_recording_that_was_edited_in_its_place_is_heard_again(tmp_path: Path) -> None:
    clips, specs = ward_clips(make_ward(tmp_path, 2)), tiny_recipe().features
    path = clips[0].recording.path
    before = [
        cached_clip_frames(clips, specs, POLICY, tmp_path / "cache").clip(0),
        clip_quality(clips, 4, 8000, tmp_path),
    ]
    samples, rate_hz = soundfile.read(path)
    soundfile.write(path, 0.1 * samples, rate_hz, subtype="PCM_16")  # as many bytes as before
    after = [
        cached_clip_frames(clips, specs, POLICY, tmp_path / "cache").clip(0),
        clip_quality(clips, 4, 8000, tmp_path),
    ]
    assert not np.array_equal(before[0], after[0])
    assert not np.array_equal(before[1], after[1])


@pytest.mark.rest
def test_two_processes_that_ask_at_once_get_the_same_frames(ward: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tests.training.clips.ward import *; "
        "from training.clips.front_end import *; from training.clips.cut import ClipPolicy; "
        "f = cached_clip_frames(ward_clips(Path(sys.argv[1])), tiny_recipe().features,"
        " ClipPolicy(seconds=1.5), Path(sys.argv[2])); print(float(f.clip(0).astype('f8').sum()))"
    )
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", program, str(ward), str(tmp_path)]
    both = [subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    first, second = (process.communicate(timeout=60)[0] for process in both)
    assert first == second != ""
    assert not list(tmp_path.glob("*.part"))


def test_one_bad_recording_of_many_is_left_out_and_many_are_an_error(
    ward: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips, bad = ward_clips(ward), ward_clips(ward)[0].recording.path

    def read(path: Path, rate_hz: int) -> np.ndarray:
        if path == bad:
            raise ConfigError(f"{path}: does not decode")
        return read_sound(path, rate_hz)

    monkeypatch.setattr(module, "read_sound", read)
    with pytest.raises(ConfigError, match=r"2 of 8 clips are of recordings that do not decode"):
        cached_clip_frames(clips, tiny_recipe().features, POLICY, tmp_path)
    monkeypatch.setattr(module, "MAX_BAD_SHARE", 0.5)
    lengths = cached_clip_frames(clips, tiny_recipe().features, POLICY, tmp_path).lengths
    assert (lengths == 0).tolist() == [clip.recording.path == bad for clip in clips]


def test_frames_in_half_precision_are_near_those_of_single() -> None:
    spec = FeatureSpec(offset=(-60.0,), scale=(20.0,))
    samples = np.random.default_rng(1).normal(0, 0.05, 8000).astype(np.float32)
    exact = clip_frames(samples, FrontEnd(spec))
    assert np.abs(exact.astype(np.float16) - exact).max() * 20 < 0.02  # dB
