"""Beds for judging pauses of breath (`.breath_pauses`): recordings of one patient around their own quiet time.

Not for what is heard of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.datasets import Recording
from training.datasets.files import read_sound
from training.evaluation.sound_faults import RATE_HZ, heart, noise, rms

PAUSE_S, PIECE_S, FADE_S = 20.0, 0.25, 0.03
BEFORE_S, AFTER_S = 30.0, 12.0  # of recordings around a pause
QUIETEST, FEWEST = 0.15, 4  # of the pieces are taken
SHALLOW = 0.3  # of the amplitude, over the bed's own quiet
OVER_DB = 3.0  # of a pause over the quiet between the breaths before it, from which on it is not quiet
IRREGULAR_S = (1.0, 5.0)  # of quiet between recordings
WINDOW = 256  # samples
Sound = NDArray[np.float32]
Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Bed:
    """What is heard of one patient."""

    patient: str
    samples: Sound
    pause_s: float | None
    """When the last breath before the pause is over; None: there is none."""

    @property
    def is_quiet(self) -> bool:
        """Whether the pause is as quiet as the quietest tenth of what is before it."""
        if self.pause_s is None:
            return False
        piece, at = round(PIECE_S * RATE_HZ), round(self.pause_s * RATE_HZ)

        def levels(part: Sound) -> list[float]:
            return [20 * np.log10(rms(part[k : k + piece])) for k in range(0, len(part) - piece, piece)]

        quiet_db = np.quantile(levels(self.samples[:at]), 0.1)
        return bool(np.median(levels(self.samples[at : at + round(PAUSE_S * RATE_HZ)])) < quiet_db + OVER_DB)


@dataclass(frozen=True, slots=True)
class Chest:
    """One recording from its first to its last breath."""

    samples: Sound
    quiet: tuple[Sound, ...]
    """Pieces between its breaths, the quietest sixth of them."""


def chest_of(recording: Recording) -> Chest | None:
    """None where it has no two breaths."""
    events = sorted((event.start_s, event.end_s) for event in recording.events)
    if len(events) < 2:
        return None
    samples, piece = read_sound(recording.path, RATE_HZ), round(PIECE_S * RATE_HZ)
    is_breath = np.zeros(len(samples), np.bool_)
    for begin_s, end_s in events:
        is_breath[round(begin_s * RATE_HZ) : round(end_s * RATE_HZ)] = True
    pieces = [
        samples[at : at + piece]
        for at in range(0, len(samples) - piece + 1, piece // 2)
        if not is_breath[at : at + piece].any()
    ]
    return Chest(samples[round(events[0][0] * RATE_HZ) : round(events[-1][1] * RATE_HZ)], quietest(pieces))


def quietest(pieces: Sequence[Sound]) -> tuple[Sound, ...]:
    """Of some pieces those with the lowest level where breath is."""
    return tuple(sorted(pieces, key=rms)[: max(round(QUIETEST * len(pieces)), FEWEST)])


def quiet(pieces: Sequence[Sound], seconds: float, rng: Rng) -> Sound:
    """Pieces one after the other in any order, each faded into the next."""
    return joined([pieces[int(rng.integers(len(pieces)))] for _ in range(int(seconds / (PIECE_S - FADE_S)) + 2)])[
        : round(seconds * RATE_HZ)
    ]


def noise_like(pieces: Sequence[Sound], seconds: float, rng: Rng) -> Sound:
    """Noise with the mean spectrum of some pieces: nothing in it swells, as pieces of many levels do when joined."""
    frames = np.concatenate(
        [np.lib.stride_tricks.sliding_window_view(piece, WINDOW)[:: WINDOW // 2] for piece in pieces]
    )
    window = np.hanning(WINDOW + 1)[:-1]
    power = (np.abs(np.fft.rfft(frames * window)) ** 2).mean(axis=0) / np.sum(window**2)
    return noise(round(seconds * RATE_HZ), np.fft.rfftfreq(WINDOW, 1 / RATE_HZ), power, rng)


def joined(parts: Sequence[Sound]) -> Sound:
    """Parts one after the other; within `FADE_S` one fades into the next with the power of both."""
    fade = round(FADE_S * RATE_HZ)
    rising = np.sin(np.linspace(0, np.pi / 2, fade)).astype(np.float32)
    out = np.zeros(sum(len(part) - fade for part in parts) + fade, np.float32)
    at = 0
    for part in parts:
        faded = part.copy()
        faded[:fade] *= rising
        faded[-fade:] *= rising[::-1]
        out[at : at + len(part)] += faded
        at += len(part) - fade
    return out


def bed_of(patient: str, chests: Sequence[Chest], otherwise: str, rng: Rng) -> Bed | None:
    """A bed; None where its recordings have too little quiet.

    Args:
        patient: whose it is.
        chests: his or her recordings.
        otherwise: how it breathes, `shallow` or `irregular`; `noise`: what the pause is; else empty.
        rng: what is drawn.
    """
    some = [each for each in chests if len(each.quiet) >= FEWEST]
    if not some:
        return None
    last = some[int(rng.integers(len(some)))]

    def breathing(seconds: float) -> list[Sound]:
        parts: list[Sound] = []
        while sum(map(len, parts)) < seconds * RATE_HZ:
            parts.append(chests[int(rng.integers(len(chests)))].samples)
            if otherwise == "irregular":
                parts.append(quiet(last.quiet, rng.uniform(*IRREGULAR_S), rng))
        return parts

    if otherwise == "irregular":
        return Bed(patient, joined(breathing(BEFORE_S + PAUSE_S + AFTER_S)), None)
    before, after = joined([*breathing(BEFORE_S), last.samples]), joined(breathing(AFTER_S))
    if otherwise == "shallow":
        before, after = (
            SHALLOW * each + np.sqrt(1 - SHALLOW**2) * quiet(last.quiet, len(each) / RATE_HZ, rng)
            for each in (before, after)
        )
    fill = noise_like if otherwise == "noise" else quiet
    whole = joined([before.astype(np.float32), fill(last.quiet, PAUSE_S, rng), after.astype(np.float32)])
    return Bed(patient, whole, len(before) / RATE_HZ - FADE_S)


def with_heart(sound: Sound, rng: Rng) -> Sound:
    """A heart that is twice as loud below 110 Hz as the chest."""
    beats = heart(len(sound), rng)
    return (sound + beats * np.float32(2 * rms(sound, (30, 110)) / rms(beats, (30, 110)))).astype(np.float32)


def with_hum(sound: Sound, rng: Rng) -> Sound:
    """Lines of the mains, together 6 dB below the chest above 100 Hz."""
    times_s, mains_hz = np.arange(len(sound)) / RATE_HZ, (50, 60)[int(rng.integers(2))]
    lines = np.sum(
        [10 ** (-rng.uniform(0, 25) / 20) * np.sin(2 * np.pi * mains_hz * k * times_s) for k in range(1, 9)], 0
    )
    return (sound + 0.5 * lines * rms(sound, (100, 4000)) / rms(lines.astype(np.float32), (100, 4000))).astype(
        np.float32
    )


def with_snore(sound: Sound, rng: Rng) -> Sound:
    """A snore of 0.6 to 1 s every 3 to 4 s, also through the pause: then a breath is heard."""
    snore, at_s, hz = np.zeros(len(sound), np.float32), 0.5, rng.uniform(50, 90)
    while at_s < len(sound) / RATE_HZ - 2:
        times_s = np.arange(round(rng.uniform(0.6, 1.0) * RATE_HZ)) / RATE_HZ
        buzz = np.sum([np.sin(2 * np.pi * hz * k * times_s + k * k) / k for k in range(1, 9)], axis=0)
        begin = round(at_s * RATE_HZ)
        snore[begin : begin + len(buzz)] += (buzz * np.hanning(len(buzz)) ** 0.3)[: len(snore) - begin].astype(
            np.float32
        )
        at_s += rng.uniform(3, 4)
    return (sound + snore * np.float32(2 * rms(sound, (100, 700)) / rms(snore, (100, 700)))).astype(np.float32)
