"""What quality is judged by, on whatever device: how levels move, voice, lines, evidence of contact. Pure.

Not for judging (`edge.detector.quality`), nor for what each sample says by itself (`edge.detector.statistics`).

**Movement of a level** distinguishes breath, heart and rubbing from noise. A device that weakens a band by 30 dB moves
its level by 30 dB and changes nothing of how it moves. Of noise that does not change, the levels of frames of 32 ms
scatter by what the width of the band gives and by nothing else: means over 128 ms have a standard deviation of some 0.8
dB (300 to 590 Hz) to 2 dB (30 to 60 Hz) at any level and any colour. Whatever sounds in between adds to that. Levels
are dB every `HOP_S`, (T,) of one band.

**Voice** in a short frame is the ripple that its harmonics make in the log spectrum. A voice is a pulse train: its
harmonics, 70 to 400 Hz apart, make a ripple in the log spectrum, in a band that breath and heart leave to their noise.
Its height is a cepstral peak, which a gain does not change. A wheeze is one harmonic or two, and makes none. Not for
how many frames are speech: see `edge.detector.quality` of a stream, `edge.clips.speech` of a clip.

Source: Noll, J. Acoust. Soc. Am. 41, 1967; its prominence: Hillenbrand et al., J. Speech Hear. Res. 37, 1994. Here the
peak itself, of the log spectrum without its mean and slope.

Of two seconds of samples there are five band levels over time, voiced frames, and lines of the spectrum:

    levels   dBFS of frames of 32 ms every 16 ms, Hann: of 30 to 60, 60 to 110 and 110 to 200 Hz, where a heart and a
             body that moves are heard; of 300 to 590 Hz, where breath is heard through the chest; and of 590 to 1180 Hz
    voiced   frames, every 250 ms, with the harmonics of a voice, in the band of the air and in that of a chest, which
             takes away what is above 700 Hz
    lines    in the spectrum of the last half second, bins of 2 Hz that rise `LINE_DB` above the mean of those 8 to
             20 Hz away. A bin of noise is exponential, so one in ten million does by chance

All are of whole segments on a grid of absolute samples, so any cut of the sound gives the same.

**Evidence of contact** is a heart or a body that moves, heard below 200 Hz. A sensor in the air hears noise: at its low
end too, and at any level and colour, as loud as a device makes it. What it does not hear are beats. So what counts is
by how much the levels of three low bands pulse (`edge.detector.quality_measures.pulse_db`), which neither a gain nor
the curve of a device changes.

A breath that stopped is told from a sensor that came loose by this (a pause needs the evidence), and a sensor that is
called loose has none of it. Evidence is no proof: a sensor that rubs on cloth pulses, too, which quality looks for
first. Without it nothing is known: a heart may lie below the noise of a device, or under rumble.

The weights are a logistic regression of sound without breath (hearts alone, and chests of four kinds of device and
their simulated variants, whose breath was replaced by their own quiet time) against sensors in the air (`python -m
training.evaluation.sound_quality`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from edge.detector.statistics import FULL_SCALE

SHORT_FRAMES, SYLLABLE_FRAMES, BREATH_FRAMES = 3, 8, 80  # frames: 48 ms, 128 ms, 1.3 s
SLOWEST_HZ = 0.1  # below it a level only drifts
FLICKER_HZ = (8.0, 16.0)
BEAT_S = (0.27, 1.5)  # 220 to 40 beats a minute
MOST_DB = 15.0  # of a swing that counts for a beat: one thump is no rhythm
LEAST_VARIANCE = 1e-6

Levels = NDArray[np.float64]


class Movement:
    """How the levels of some bands move, in some segments that follow each other.

    Args:
        levels_db: (T, B) levels of B bands, 1.3 s or more.
    """

    def __init__(self, levels_db: NDArray[np.floating]) -> None:
        self.levels_db = np.ascontiguousarray(levels_db.T, np.float64)
        """(B, T)."""
        sums = np.zeros((len(self.levels_db), self.levels_db.shape[1] + 1))
        np.cumsum(self.levels_db, axis=1, out=sums[:, 1:])
        self._short, self._syllables, self._breaths = (
            means(sums, each) for each in (SHORT_FRAMES, SYLLABLE_FRAMES, BREATH_FRAMES)
        )

    def swing_db(self, band: int) -> float:
        """Standard deviation of means over 128 ms, dB."""
        return float(self._syllables[band].std())

    @cached_property
    def pulse_db(self) -> Levels:
        """(B,) the same without what lasts for longer than 1.3 s, dB: beats, not the drift of a room."""
        first, count = (BREATH_FRAMES - SYLLABLE_FRAMES) // 2, self._breaths.shape[1]
        return np.asarray((self._syllables[:, first : first + count] - self._breaths).std(axis=1))

    def scatter_db(self, band: int) -> float:
        """Standard deviation from one frame to the next, dB."""
        return float(np.diff(self.levels_db[band]).std())

    def burst_db(self, band: int) -> float:
        """How far the loudest hundredth of means over 48 ms lies above the middle, dB."""
        smooth = np.sort(self._short[band])
        return float(smooth[int(0.99 * len(smooth))] - smooth[len(smooth) // 2])

    def slow_share(self, band: int) -> float:
        """Share of the variance that means over 48 ms leave: breath swells, a band without breath flickers."""
        return float(self._short[band].var() / max(self.levels_db[band].var(), LEAST_VARIANCE))

    def flicker_share(self, band: int) -> float:
        """Share of the modulation above 0.1 Hz in 8 to 16 Hz: faster than any breath and nearly any heart."""
        values = self.levels_db[band]
        power = np.abs(np.fft.rfft((values - values.mean()) * _taper(len(values)))) ** 2
        first, begin, end = _modulation_bins(len(values))
        return float(power[begin:end].sum() / max(float(power[first:].sum()), LEAST_VARIANCE))

    def together(self) -> Levels:
        """(B, B) correlations of means over 128 ms; 0 where one does not move."""
        swing = self._syllables - self._syllables.mean(axis=1, keepdims=True)
        products = swing @ swing.T
        power = np.diagonal(products)
        return np.asarray(products / np.maximum(np.sqrt(np.outer(power, power)), LEAST_VARIANCE))

    def regularity(self, band: int) -> float:
        """How alike a band is to itself one beat later: the highest peak of its autocorrelation in `BEAT_S`, 0 to 1.

        Of 10 s of noise it is below 0.2; of a heart that is heard, 0.3 to 0.95; of children who move, little more than
        that of noise.
        """
        smooth, half = self._short[band], BREATH_FRAMES // 2
        # The 0 makes `cumsum` a sum of what lies before each frame; the ends are repeated, so each frame has a mean.
        around = np.concatenate([[0.0], np.full(half, smooth[0]), smooth, np.full(half, smooth[-1])])
        swing = np.clip(smooth - means(np.cumsum(around), 2 * half + 1), -MOST_DB, MOST_DB)
        count = len(swing)
        first, last = (round(each / HOP_S) for each in BEAT_S)
        size = 1 << (count + last + 1).bit_length()  # so that no product wraps around, and the transform is fast
        products = np.fft.irfft(np.abs(np.fft.rfft(swing, size)) ** 2)[: last + 2]
        # Only count - k products are added up for a delay of k frames.
        alike = products / max(float(products[0]), LEAST_VARIANCE) * count / (count - np.arange(len(products)))
        before, here, after = alike[first - 1 : last], alike[first : last + 1], alike[first + 1 : last + 2]
        return float(np.max(np.where((here >= before) & (here >= after), here, 0.0)))


def means(sums: Levels, frames: int) -> Levels:
    """(..., T - frames + 1) running means from (..., T + 1) sums of what lies before each frame."""
    return np.asarray((sums[..., frames:] - sums[..., :-frames]) / frames)


@lru_cache(maxsize=16)
def _modulation_bins(length: int) -> tuple[int, int, int]:
    """Of a spectrum of so many levels: the first bin that is looked at, and from which to which they flicker."""
    first, begin, end = np.searchsorted(np.fft.rfftfreq(length, HOP_S), (SLOWEST_HZ, *FLICKER_HZ)).tolist()
    return first, begin, end


@lru_cache(maxsize=16)
def _taper(length: int) -> Levels:
    return np.asarray(np.hanning(length), np.float64)


FRAME_S = 0.064
BAND_HZ = (400.0, 2400.0)
PITCH_HZ = (70.0, 400.0)
PERIODS = 48  # of a ripple that are looked at, evenly spaced
# Of a power of a frame of 64 ms at 8 kHz; the steps of 16 bits have 1.5e-8. MP3 leaves out lines that lie lower, and
# those holes are a ripple: with 1e-12, 37 of 40 chest recordings as MP3 of 44.1 kHz were speech.
VOICE_FLOOR = 1e-9

Floats = NDArray[np.float32]


class VoiceMeter:
    """Measures frames of one rate.

    Args:
        rate_hz: of the sound, Hz; twice the upper end of the band or more.
        band_hz: of the spectrum that is looked at; of sound that was sampled at less than 4.8 kHz, a narrower one.
        padding: lengths of a frame that its spectrum is taken of; 2 costs twice as much and is a little surer.
    """

    def __init__(self, rate_hz: int, band_hz: tuple[float, float] = BAND_HZ, padding: int = 1) -> None:
        self.samples = round(FRAME_S * rate_hz)
        """Length of a frame."""
        self._taper = np.hanning(self.samples + 1)[:-1].astype(np.float32)
        self._size = padding * self.samples
        hz = np.fft.rfftfreq(self._size, 1 / rate_hz)
        self._band, whole = (slice(*np.searchsorted(hz, each)) for each in (band_hz, BAND_HZ))
        # The ripple of noise grows with the root of how few bins there are: a narrower band counts for less.
        self._waves = _ripple_waves(hz[self._band]) * np.float32(np.sqrt(len(hz[self._band]) / len(hz[whole])))

    def heights(self, frames: Floats) -> Floats:
        """(V,) height of the ripple of each frame, (V, N), natural units of the log amplitude."""
        return self.heights_of(self.spectra(frames))

    def spectra(self, frames: Floats) -> NDArray[np.complex64]:
        """(V, K) of each frame, (V, N), up to half the rate; every second one is that of half the padding."""
        return np.asarray(np.fft.rfft(frames * self._taper, self._size), np.complex64)

    def heights_of(self, spectra: NDArray[np.complex64]) -> Floats:
        """As `heights`, of frames whose spectra are known."""
        spectrum = spectra[:, self._band]
        power = np.asarray(spectrum.real**2 + spectrum.imag**2, np.float32)
        ripple = (np.log(power + np.float32(VOICE_FLOOR)) / 2) @ self._waves
        cosines, sines = ripple[:, :PERIODS], ripple[:, PERIODS:]
        return np.asarray(np.sqrt((cosines**2 + sines**2).max(axis=1)))


def _ripple_waves(hz: NDArray[np.floating]) -> Floats:
    """(F, 2 Q) cosines and sines of every period of a ripple, for a log spectrum without mean and slope."""
    line = np.stack([np.ones(len(hz)), hz - hz.mean()])
    # I - L' (L L')^-1 L takes mean and slope away, L the two lines; done to the waves, it costs a frame nothing.
    flat = np.eye(len(hz)) - line.T @ np.linalg.solve(line @ line.T, line)
    turns = 2 * np.pi * np.outer(hz, np.linspace(1 / PITCH_HZ[1], 1 / PITCH_HZ[0], PERIODS))
    tapered = np.hanning(len(hz))[:, None] / len(hz)
    return np.asarray(flat @ np.hstack([tapered * np.cos(turns), tapered * np.sin(turns)]), np.float32)


HOP_S, HOPS = 0.016, 125  # a frame has two hops, a segment 125
BANDS_HZ = ((30.0, 60.0), (60.0, 110.0), (110.0, 200.0), (300.0, 590.0), (590.0, 1180.0))
LOW, HEART, TRUNK, BREATH, MID = range(5)
FLOOR = 1e-12  # of a power, full scale = 1: below the steps of any converter
VOICE_HOP_S = 0.25
CHEST_HZ = (100.0, 1000.0)  # a voice that is heard through the chest
VOICED, CHEST_VOICED = 0.17, 0.24  # ripple, natural units of the log amplitude; of a chest, one frame in a hundred
BIN_HZ, LINES_HZ = 2, (40, 2000)
LINE_DB = 15.0
AWAY = (4, 10)  # bins from a line: beyond the main lobe of the taper, and within which noise is level


@dataclass(frozen=True, slots=True)
class Segment:
    """Statistics of two seconds."""

    levels_db: Floats
    """(T, 5) dBFS, columns as `BANDS_HZ`."""
    clipped: float
    """Share of the samples at full scale."""
    voiced: int
    """Frames with a voice in the band of the air."""
    chest_voiced: int
    """Frames with a voice in the band of a chest."""
    voice_frames: int
    """Frames that were looked at."""
    power: Floats
    """(F,) spectrum of the last half second, a bin for each `BIN_HZ` from 0 on, in no unit that matters."""
    lines: NDArray[np.bool_]
    """(F,) which bins are lines."""


class SegmentMeter:
    """Measures segments of one rate.

    Args:
        rate_hz: of the sound, Hz; from 4800 on all of it is used.
    """

    def __init__(self, rate_hz: int) -> None:
        self._hop = round(HOP_S * rate_hz)
        self.samples = HOPS * self._hop
        """Length of a segment."""
        self._waves, self._bands = _fourier(2 * self._hop, rate_hz)
        self._voice = VoiceMeter(rate_hz)
        first = np.arange(0, self.samples - self._voice.samples + 1, round(VOICE_HOP_S * rate_hz))
        self._voice_places = first[:, None] + np.arange(self._voice.samples)  # of each sample of each frame
        self._chest_voice = VoiceMeter(rate_hz, CHEST_HZ, padding=2)
        self._line_taper = _hann(rate_hz // BIN_HZ)

    def measure(self, samples: Floats) -> Segment:
        """The statistics of one segment, (N,) samples, all of them numbers."""
        centred = samples - np.float32(samples.mean(dtype=np.float64))
        is_loud = max(samples.max(), -samples.min()) >= FULL_SCALE
        clipped = np.count_nonzero(np.abs(samples) >= FULL_SCALE) / len(samples) if is_loud else 0.0
        frames = centred[self._voice_places]
        spectra = self._chest_voice.spectra(frames)
        voiced = int(np.count_nonzero(self._voice.heights_of(spectra[:, ::2]) > VOICED))
        chest_voiced = int(np.count_nonzero(self._chest_voice.heights_of(spectra) > CHEST_VOICED))
        power = _power(centred[-len(self._line_taper) :] * self._line_taper)[: LINES_HZ[1] // BIN_HZ + AWAY[1] + 1]
        return Segment(self._levels_db(centred), clipped, voiced, chest_voiced, len(frames), power, _lines(power))

    def _levels_db(self, samples: Floats) -> Floats:
        """(T, 5): a frame is two hops, so its spectrum is the sum of those of both. A few bins cost less so."""
        hops = samples.reshape(-1, self._hop)
        spectrum = hops[:-1] @ self._waves[: self._hop] + hops[1:] @ self._waves[self._hop :]
        bands = np.add.reduceat(spectrum * spectrum, self._bands, axis=1)
        return np.asarray(10 * np.log10(bands + np.float32(FLOOR)))


@lru_cache(maxsize=8)
def segment_meter(rate_hz: int) -> SegmentMeter:
    """The meter of all streams of a rate: it keeps nothing of any, and its waves take 0.2 MB."""
    return SegmentMeter(rate_hz)


def _hann(length: int) -> Floats:
    return np.hanning(length + 1)[:-1].astype(np.float32)


def _power(frames: Floats) -> Floats:
    spectrum = np.fft.rfft(frames)
    return np.asarray(spectrum.real**2 + spectrum.imag**2, np.float32)


def _fourier(length: int, rate_hz: int) -> tuple[Floats, list[int]]:
    """(N, 2 K) tapered cosines and sines of the bins of `BANDS_HZ`, and the first column of each band.

    Their squares add up to a power re full scale: 2 |X|^2 / (N sum(h^2)), h the taper.
    """
    hz = np.fft.rfftfreq(length, 1 / rate_hz)
    bins = [np.flatnonzero((hz >= low) & (hz < high)) for low, high in BANDS_HZ]
    turns = 2 * np.pi / length * np.outer(np.arange(length), np.concatenate(bins))
    taper = _hann(length).astype(np.float64)
    waves = np.stack([np.cos(turns), np.sin(turns)], axis=2).reshape(length, -1)
    waves *= taper[:, None] * np.sqrt(2 / (length * float(taper @ taper)))
    return waves.astype(np.float32), [0, *(2 * np.cumsum([len(each) for each in bins])[:-1]).tolist()]


def _lines(power: Floats) -> NDArray[np.bool_]:
    """(F,) which bins are lines."""
    found, low, high = np.zeros(len(power), np.bool_), LINES_HZ[0] // BIN_HZ, len(power) - AWAY[1] - 1
    sums = np.concatenate([[0.0], np.cumsum(power, dtype=np.float64)])  # of the power before each bin
    before, after = sums[low - AWAY[1] : high - AWAY[0] + 1], sums[low + AWAY[0] : high + AWAY[1] + 1]
    width = AWAY[1] - AWAY[0] + 1
    around = before[width:] - before[:-width] + after[width:] - after[:-width]
    # power > 10^(dB / 10) times the mean of both sides, which is around / (2 width).
    found[low:high] = power[low:high] * 2 * width > 10 ** (LINE_DB / 10) * around
    return found


WEIGHTS = ((LOW, 1.91), (HEART, 4.74), (TRUNK, 2.21))  # a dB
LIMIT = 18.0


def evidence_of_contact(movement: Movement) -> float:
    """How much there is for a sensor that touches somebody; above 0 it is evidence.

    Args:
        movement: of 8 s or more, bands as `BANDS_HZ` (`Segment.levels_db`, joined).

    Returns:
        Natural logarithm of the odds.
    """
    pulses_db = movement.pulse_db
    return float(sum(weight * pulses_db[band] for band, weight in WEIGHTS) - LIMIT)
