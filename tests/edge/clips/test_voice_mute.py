"""Sound that people listen to: what clips would withhold as speech is muted, and nothing else of it is changed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.clips.pcm_ring import to_pcm
from edge.clips.speech import LIMIT, has_speech, spoken, voicing
from edge.clips.voice_mute import MutedPiece, VoiceMute
from edge.types import Block
from tests.edge.clips.test_speech import RATE_HZ, Sound, noise, tone, vowel

PIECE, BEHIND, SECOND = 4096, 8192, 8000


def block(sound: Sound, start: int = 0) -> Block:
    return Block(start, sound, np.ones(len(sound), np.bool_))


def output_of(*blocks: Block) -> list[MutedPiece]:
    mute = VoiceMute(RATE_HZ)
    return [piece for each in blocks for piece in mute.push(each)] + mute.flush()


def word_at(second: float, seconds: float = 12.0, lasts_s: float = 0.4) -> Sound:
    sound = noise(seconds)
    at = round(second * RATE_HZ)
    sound[at : at + round(lasts_s * RATE_HZ)] += vowel(lasts_s)
    return sound


def test_breath_and_wheezes_pass_unchanged_and_in_place() -> None:
    sound = block(noise(4.0) + tone(4.0, 450.0), 5 * PIECE)
    pieces = output_of(sound)
    assert [piece.start for piece in pieces] == [(7 + k) * PIECE for k in range(len(pieces))]
    whole = to_pcm(sound)
    for piece in pieces:
        at = piece.start - sound.start
        own = whole[at : at + PIECE]
        assert (piece.pcm[: len(own)] == own).all()
        assert all(why == "lost" and begin >= len(own) for begin, _, why in piece.silent)


@pytest.mark.parametrize("start", [0, 2**31 - 5 * PIECE, 2**32 - 5 * PIECE])
def test_a_word_is_silent_with_nearly_a_second_around_it_and_the_rest_is_heard(start: int) -> None:
    pieces = output_of(block(word_at(6.0), start))
    speech = np.concatenate([piece.is_speech for piece in pieces])
    pcm = np.concatenate([piece.pcm for piece in pieces])
    at = pieces[0].start - start
    first, stop = (int(each) + at for each in np.flatnonzero(speech)[[0, -1]])
    assert 5.0 * RATE_HZ < first < 5.6 * RATE_HZ
    assert 6.8 * RATE_HZ < stop < 7.5 * RATE_HZ
    assert (pcm[speech] == 0).all()
    before = pcm[: 5 * RATE_HZ - at]
    assert (before != 0).mean() > 0.99


def test_what_is_muted_is_what_makes_a_clip_be_withheld() -> None:
    sound = word_at(6.0)
    ones = np.ones(len(sound), np.bool_)
    exact = to_pcm(block(sound)).astype(np.float32) / 32768
    mask = spoken(exact, ones, RATE_HZ)
    assert has_speech(exact, ones, RATE_HZ)
    for piece in output_of(block(sound)):
        stop = min(piece.start + PIECE, len(sound))
        assert (piece.is_speech[: stop - piece.start] == mask[piece.start : stop]).all(), piece.start
    assert not spoken(noise(6.0), np.ones(6 * RATE_HZ, np.bool_), RATE_HZ).any()


def test_no_frame_of_a_word_is_heard() -> None:
    sound = word_at(4.0) + word_at(8.5) - noise(12.0)
    peaks = voicing(sound, np.ones(len(sound), np.bool_), RATE_HZ)
    pieces = {piece.start: piece for piece in output_of(block(sound))}
    places = [256 * int(frame) for frame in np.flatnonzero(peaks > LIMIT)]  # some of noise, by chance
    voiced = [at for at in places if any(word <= at / RATE_HZ < word + 0.4 for word in (4.0, 8.5))]
    assert len(voiced) > 16
    for sample in voiced:
        piece = pieces[sample // PIECE * PIECE]
        assert piece.pcm[sample % PIECE] == 0


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(300, 9000), min_size=1, max_size=8), st.integers(0, 20_000))
def test_any_cut_gives_the_same_pieces(cuts: list[int], gap: int) -> None:
    sound, tail = word_at(3.0, 6.0), word_at(1.0, 3.0)
    whole = output_of(block(sound, 777), block(tail, 777 + len(sound) + gap))
    parts, at = [], 0
    for step in itertools.cycle(cuts):
        parts.append(block(sound[at : at + step], 777 + at))
        if (at := at + step) >= len(sound):
            break
    cut = output_of(*parts, block(tail, 777 + len(sound) + gap))
    assert [(each.start, each.pcm.tobytes(), each.silent) for each in cut] == [
        (each.start, each.pcm.tobytes(), each.silent) for each in whole
    ]


def test_nothing_leaves_before_the_second_behind_it_and_nothing_of_the_first_second() -> None:
    mute = VoiceMute(RATE_HZ)
    assert mute.push(block(noise(1.0))) == []
    assert mute.push(block(noise(1.5), SECOND)) == []  # 20 000 samples: 2 pieces wait for 8192 more
    (first,) = mute.push(block(noise(0.1), 20_000))
    assert first.start == BEHIND
    assert first.start + PIECE + BEHIND <= 20_800


def test_lost_sound_is_silent_and_told_and_behind_a_second_without_any_it_begins_anew() -> None:
    sound = noise(6.0)
    valid = np.ones(len(sound), np.bool_)
    valid[20_480:20_580] = False
    pieces = output_of(Block(0, sound, valid), block(noise(4.0), 2**20))
    one = next(piece for piece in pieces if piece.start == 20_480)
    assert one.silent == ((0, 100, "lost"),)
    assert (one.pcm[:100] == 0).all()
    later = [piece.start for piece in pieces if piece.start >= 60_000]
    assert later[0] == 2**20 + BEHIND, "the first second of it is not heard"
    assert len(later) == 4 * SECOND // PIECE - 1


def test_a_device_that_counts_anew_begins_anew() -> None:
    starts = [piece.start for piece in output_of(block(noise(4.0), 2**20), block(noise(4.0)))]
    assert starts[0] == 2**20 + BEHIND
    assert BEHIND in starts
