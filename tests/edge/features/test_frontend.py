"""Every front-end: any cut gives the same bits, nothing is spliced, bad input stays finite or is marked."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.features import Cwt, FeatureSpec, FrontEnd, Gammatone, Log, Mel, Pcen
from edge.types import Block, Frames

DEEP = 8000  # samples, longer than every front-end needs before and behind a frame
FRONT_ENDS = {
    "log-mel": FeatureSpec(hop_samples=64, bands=48, analysis=Mel(windows_samples=(512, 128), fft_size=512)),
    "log-mel, high-pass": FeatureSpec(hop_samples=64, bands=48, analysis=Mel(windows_samples=(512,)), high_pass_hz=110),
    "log-mel, odd lengths": FeatureSpec(hop_samples=37, bands=20, analysis=Mel(windows_samples=(401,), fft_size=450)),
    "log-mel, deltas": FeatureSpec(
        bands=10, deltas=2, analysis=Mel(scale="slaney", norm="area"), compression=Log("ln", -20)
    ),
    "pcen": FeatureSpec(compression=Pcen()),
    "gammatone": FeatureSpec(analysis=Gammatone()),
    "gammatone, pcen": FeatureSpec(analysis=Gammatone(), bands=40, compression=Pcen(s=0.2)),
    "gammatone, odd lengths": FeatureSpec(analysis=Gammatone(), hop_samples=131, bands=7, deltas=1, delta_frames=3),
    "morlet": FeatureSpec(analysis=Cwt(), bands=30),
    "morse": FeatureSpec(analysis=Cwt(wavelet="morse", block_frames=3), hop_samples=60, bands=9, low_hz=100, deltas=1),
    "gammatone, high-pass": FeatureSpec(analysis=Gammatone(), bands=12, high_pass_hz=200),
    "morlet, high-pass": FeatureSpec(analysis=Cwt(), bands=8, low_hz=100, high_pass_hz=80, deltas=1),
    "morlet, every sample": FeatureSpec(analysis=Cwt(), hop_samples=1, bands=3, low_hz=600, compression=Pcen()),
}
every_front_end = pytest.mark.parametrize("name", FRONT_ENDS)


def noise(count: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 0.1, count).astype(np.float32)


def block(start: int, samples: NDArray[np.float32], lost: list[int] | None = None) -> Block:
    valid = np.ones(len(samples), np.bool_)
    valid[[i for i in lost or [] if i < len(samples)]] = False
    return Block(start, samples, valid)


def frames_by_index(
    pieces: list[Frames], width: int
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.bool_]]:
    """(T,) index, (T, M) values and (T,) validity of all frames, in the order they were made."""
    index = [np.arange(f.start, f.start + len(f.valid)) for f in pieces]
    values = [f.values for f in pieces]
    return (
        np.concatenate([np.zeros(0, np.int64), *index]),
        np.concatenate([np.zeros((0, width), np.float32), *values]),
        np.concatenate([np.zeros(0, np.bool_), *[f.valid for f in pieces]]),
    )


def output_of(
    spec: FeatureSpec, blocks: list[Block]
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.bool_]]:
    front_end = FrontEnd(spec)
    pieces = [f for b in blocks for f in front_end.push(b)]
    return frames_by_index(pieces + front_end.flush(), spec.width)


@every_front_end
@settings(deadline=None, max_examples=25)
@given(
    start=st.sampled_from([0, 77, 2**31 - 1500, 2**32 - 1500, 2**40 + 3]),
    cuts=st.lists(st.integers(0, 9000), max_size=20),
    ones=st.integers(0, 9000),
    lost=st.lists(st.integers(0, 8999), max_size=4),
    gap=st.sampled_from([0, 0, 1, 700, 5000]),
)
def test_any_cut_gives_the_same_bits_as_one_piece(
    name: str, start: int, cuts: list[int], ones: int, lost: list[int], gap: int
) -> None:
    spec, samples = FRONT_ENDS[name], noise(9000)
    blocks = [block(start, samples, lost)]
    if gap:
        blocks.append(block(start + 9000 + gap, samples[:4000]))
    whole = output_of(spec, blocks)
    edges = sorted({0, 9000, *cuts}) + sorted(cuts)  # empty blocks where a cut comes twice
    edges = sorted([*edges, *range(ones, min(ones + 5, 9000))])  # single samples
    pieces = [Block(start + a, samples[a:b], blocks[0].valid[a:b]) for a, b in pairwise(edges)]
    cut = output_of(spec, pieces + blocks[1:])
    for one, other in zip(whole, cut, strict=True):
        np.testing.assert_array_equal(one, other)


@every_front_end
@settings(deadline=None, max_examples=25)
@given(start=st.integers(0, 300), lost=st.lists(st.integers(0, 8999), max_size=3), gap=st.integers(1, 3000))
def test_frames_are_made_and_valid_exactly_where_all_their_samples_are(
    name: str, start: int, lost: list[int], gap: int
) -> None:
    spec = FRONT_ENDS[name]
    second = start + 9000 + gap
    index, _, valid = output_of(spec, [block(start, noise(9000), lost), block(second, noise(6000, 1))])
    here = np.zeros(second + 6000, np.bool_)
    here[start : start + 9000] = here[second:] = True
    fine = here.copy()
    fine[[start + i for i in lost]] = False
    grid = np.arange(len(here) // spec.hop_samples + 1) * spec.hop_samples
    first, stop = grid - spec.history_samples, grid + spec.ahead_samples
    inside = (first >= 0) & (stop <= len(here))
    missing, bad = (np.concatenate([[0], np.cumsum(~mask)]) for mask in (here, fine))
    made = [t for t in np.flatnonzero(inside) if missing[stop[t]] == missing[first[t]]]
    np.testing.assert_array_equal(index, made)
    np.testing.assert_array_equal(valid, [bad[stop[t]] == bad[first[t]] for t in made])


@every_front_end
def test_frames_after_a_gap_are_those_of_a_new_start_there(name: str) -> None:
    spec = FRONT_ENDS[name]
    index, values, _ = output_of(spec, [block(0, noise(DEEP, 5) * 8), block(DEEP + 999, noise(DEEP))])
    alone_index, alone_values, _ = output_of(spec, [block(DEEP + 999, noise(DEEP))])
    after = index >= alone_index[0]
    np.testing.assert_array_equal(index[after], alone_index)
    np.testing.assert_array_equal(values[after], alone_values)


@every_front_end
def test_what_was_masked_leaves_no_trace_in_the_valid_frames(name: str) -> None:
    spec, quiet, loud = FRONT_ENDS[name], noise(3 * DEEP), noise(3 * DEEP)
    where = list(range(DEEP, DEEP + 300))
    loud[where] = 1.0
    _, values, valid = output_of(spec, [block(0, quiet, where)])
    _, other, other_valid = output_of(spec, [block(0, loud, where)])
    assert 0 < np.count_nonzero(~valid) < len(valid) / 2
    np.testing.assert_array_equal(valid, other_valid)
    np.testing.assert_array_equal(values, other)
    assert not values[~valid].any()


@every_front_end
def test_frames_do_not_depend_on_where_in_time_they_are(name: str) -> None:
    spec = FRONT_ENDS[name]
    block_frames = spec.delay_samples - spec.ahead_samples + spec.hop_samples  # samples of frames made together
    shift = 12345 * spec.hop_samples * block_frames
    index, values, _ = output_of(spec, [block(0, noise(DEEP))])
    later_index, later_values, _ = output_of(spec, [block(shift, noise(DEEP))])
    np.testing.assert_array_equal(later_index - shift // spec.hop_samples, index)
    np.testing.assert_array_equal(later_values, values)


@every_front_end
def test_reset_leaves_nothing_behind(name: str) -> None:
    spec = FRONT_ENDS[name]
    front_end = FrontEnd(spec)
    front_end.push(block(10**6, noise(DEEP, 5)))
    front_end.reset()
    again = frames_by_index(front_end.push(block(3, noise(DEEP))) + front_end.flush(), spec.width)
    for one, other in zip(again, output_of(spec, [block(3, noise(DEEP))]), strict=True):
        np.testing.assert_array_equal(one, other)


@every_front_end
@pytest.mark.parametrize("kind", ["silence", "denormal", "half-scale offset", "clipped", "tiny", "huge", "nan", "inf"])
def test_bad_sound_gives_finite_frames_or_is_marked(name: str, kind: str) -> None:
    spec, samples = FRONT_ENDS[name], noise(2 * DEEP)
    bad = slice(DEEP // 2, 2 * DEEP if kind in ("silence", "denormal") else DEEP // 2 + 500)
    samples[bad] = {
        "silence": 0.0,
        "denormal": 1e-40,
        "half-scale offset": 0.5,
        "clipped": 1.0,
        "tiny": 1e-30,
        "huge": 1e6,
        "nan": np.nan,
        "inf": np.inf,
    }[kind]
    _, values, valid = output_of(spec, [block(0, samples)])
    assert np.isfinite(values).all()
    assert valid.all() == (kind not in ("nan", "inf"))


@every_front_end
def test_no_frame_is_later_than_the_stated_delay(name: str) -> None:
    spec, samples = FRONT_ENDS[name], noise(DEEP)
    front_end, latest = FrontEnd(spec), 0
    for i in range(DEEP):
        for frames in front_end.push(block(i, samples[i : i + 1])):
            latest = max(latest, i + 1 - frames.start * spec.hop_samples)
    assert latest == spec.delay_samples


def test_every_number_of_a_frame_has_its_own_affine() -> None:
    plain = FeatureSpec(bands=8, deltas=1)
    offset, scale = np.linspace(-40, 3, 16), np.linspace(0.5, 20, 16)
    _, values, _ = output_of(plain, [block(0, noise(3000))])
    _, found, _ = output_of(
        FeatureSpec(bands=8, deltas=1, offset=tuple(offset), scale=tuple(scale)), [block(0, noise(3000))]
    )
    np.testing.assert_allclose(found, (values - offset) / scale, rtol=1e-5, atol=1e-5)


@every_front_end
def test_a_stream_that_starts_where_another_ended_is_a_new_one(name: str) -> None:
    spec, samples = FRONT_ENDS[name], noise(DEEP)
    front_end, hop = FrontEnd(spec), spec.hop_samples
    for start in (0, DEEP, DEEP + 7 * hop, DEEP + hop, 3):  # after each reset the first frame may be any
        found = frames_by_index(front_end.push(block(start, samples)) + front_end.flush(), spec.width)
        for one, other in zip(found, output_of(spec, [block(start, samples)]), strict=True):
            np.testing.assert_array_equal(one, other)


@every_front_end
def test_one_impossible_sample_is_forgotten_after_its_frames(name: str) -> None:
    spec, samples, hit = FRONT_ENDS[name], noise(3 * DEEP), noise(3 * DEEP)
    hit[DEEP] = 1e30
    _, expected, _ = output_of(spec, [block(0, samples)])
    _, values, valid = output_of(spec, [block(0, hit)])
    assert not valid.all()
    if isinstance(spec.compression, Log):
        last = np.flatnonzero(~valid)[-1] + 1 + DEEP // spec.hop_samples
        np.testing.assert_allclose(values[last:], expected[last:], atol=1e-3)  # dB
    else:  # the smoother began anew
        assert np.abs(values[-1] - expected[-1]).max() < 0.05
