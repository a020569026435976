"""The parts that a feature spec is made of: three analyses and two compressions, each with its range and its reach.

Frozen records of numbers, and what follows from them by arithmetic alone: which values can be, and which samples a
frame touches. Not for computing anything from sound (`logmel.py`, `gammatone.py`, `wavelet.py`, `levels.py`).
"""

from __future__ import annotations

import math
import reprlib
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np

from edge.errors import ConfigError

TAPERS = ("hann", "hamming", "blackman", "povey", "boxcar")
EAR_Q, EAR_MIN_HZ = 9.26449, 24.7  # equivalent rectangular bandwidth f / Q + minimum: Glasberg & Moore 1990
LONGEST = 1 << 16  # points of a transform, samples of a hop
LEAST_PACE = 8  # instants to a hop of the slowest wavelets; 4 erred by 1.2 dB, 16 cost a tenth more and gained 0.2 dB
WAVELET_TAIL = 1e-4  # of the peak: a wavelet ends where its modulus stays below, in time and in frequency


class Grid(NamedTuple):
    """What the parts need to know of the whole."""

    rate_hz: int
    hop_samples: int
    bands: int
    low_hz: float


@dataclass(frozen=True, slots=True)
class Mel:
    """Short-time power spectrum through triangular mel filters, at one or more window lengths side by side.

    The shorter windows are centred in the longest. A short one shows a crackle (5-15 ms) undiluted, a long one
    separates the harmonics of a wheeze.
    """

    windows_samples: tuple[int, ...] = (400,)
    """Length of each window, samples; frame t covers [t * hop, t * hop + the longest)."""
    taper: str = "hann"
    """Shape of the windows: hann, hamming, blackman, povey or boxcar."""
    periodic: bool = True
    """Period of the taper: the window's length (spectral analysis), or one less (symmetric, as in Kaldi)."""
    unit: str = "sine"
    """`sine`: energies are relative to a full-scale sine in its bin; `none`: |X|^2 of the tapered samples as it is."""
    fft_size: int = 512
    """Points of the Fourier transform: even, a product of 2, 3 and 5, at least the longest window."""
    scale: str = "htk"
    """`htk`: 2595 log10(1 + f / 700); `slaney`: linear to 1 kHz, logarithmic above; triangles linear in Hz.
    `kaldi`: the mel of HTK, triangles linear in mel."""
    norm: str = "peak"
    """Filters have peak 1 (`peak`) or area 1 per Hz (`area`, Slaney's)."""

    def __post_init__(self) -> None:
        """Bring the numbers to one type each, so that equal specs have equal JSON."""
        canonical(self)

    def check(self, grid: Grid) -> None:
        """Refuse numbers that this analysis or compression cannot have, with a ConfigError that names them."""
        shortest, longest = min(self.windows_samples, default=0), max(self.windows_samples, default=0)
        least = 2 if self.periodic else 3  # a symmetric window of 2 is 0
        few = 1 <= len(self.windows_samples) <= 16 and shortest >= least
        require("analysis.windows_samples", self.windows_samples, few, f"one to sixteen, each {least} or more")
        least, size = max(longest, 4), self.fft_size
        fits = least <= size <= LONGEST and size % 2 == 0 and is_smooth(size)
        require("analysis.fft_size", size, fits, f"{least} to {LONGEST}, even, a product of 2, 3 and 5")
        require("analysis.taper", self.taper, self.taper in TAPERS, ", ".join(TAPERS))
        require("analysis.unit", self.unit, self.unit in ("sine", "none"), "sine, none")
        require("analysis.scale", self.scale, self.scale in ("htk", "slaney", "kaldi"), "htk, slaney, kaldi")
        require("analysis.norm", self.norm, self.norm in ("peak", "area"), "peak, area")
        require("bands", grid.bands, grid.bands <= size // 2, f"1 to {size // 2}, the bins of analysis.fft_size")

    def reach_samples(self, grid: Grid) -> tuple[int, int]:
        """Samples before t * hop, and from t * hop on, that frame t touches."""
        return 0, max(self.windows_samples)

    def waiting_frames(self, grid: Grid) -> int:
        """Frames that may have to be there before one is made."""
        return 0


@dataclass(frozen=True, slots=True)
class Gammatone:
    """Envelope of order-4 complex one-pole cascades, centres equally spaced on the ERB-rate scale, mean of each hop."""

    bandwidth: float = 1.019
    """Bandwidth parameter of a filter in units of the ERB at its centre (1.019 for order 4: Patterson 1992)."""
    settle_db: float = 60.0
    """After a start or gap, frames are valid once the slowest impulse response has decayed by this, dB."""

    def __post_init__(self) -> None:
        """Bring the numbers to one type each, so that equal specs have equal JSON."""
        canonical(self)

    def check(self, grid: Grid) -> None:
        """Refuse numbers that this analysis or compression cannot have, with a ConfigError that names them."""
        require("analysis.bandwidth", self.bandwidth, 0.1 <= self.bandwidth <= 10, "0.1 to 10")
        require("analysis.settle_db", self.settle_db, 1 <= self.settle_db <= 300, "1 to 300")
        require("low_hz", grid.low_hz, grid.low_hz >= 1, "1 or more for a gammatone filter")
        settled = self.reach_samples(grid)[0]
        require("analysis.settle_db", f"{self.settle_db:g} ({settled} samples)", settled <= 1 << 21, f"up to {1 << 21}")

    def reach_samples(self, grid: Grid) -> tuple[int, int]:
        """Samples before t * hop, and from t * hop on, that frame t touches.

        The envelope t^3 exp(-b t) of the lowest filter, b = 2 pi bandwidth ERB, has its peak at b t = 3; the history is
        where it has fallen by `settle_db`, in whole hops.
        """
        low, high = 3.0, 1000.0
        for _ in range(60):  # bisection for x = b t
            x = (low + high) / 2
            # The logarithm of (3^3 exp(-3)) / (x^3 exp(-x)), in dB.
            fallen_db = (x - 3 - 3 * math.log(x / 3)) * 20 / math.log(10)
            low, high = (x, high) if fallen_db < self.settle_db else (low, x)
        b = 2 * math.pi * self.bandwidth * (grid.low_hz / EAR_Q + EAR_MIN_HZ)
        return whole_hops(high / b * grid.rate_hz, grid.hop_samples), grid.hop_samples

    def waiting_frames(self, grid: Grid) -> int:
        """Frames that may have to be there before one is made."""
        return 0


@dataclass(frozen=True, slots=True)
class Cwt:
    """Modulus of an analytic wavelet transform, centres equally spaced in log frequency, mean of each hop."""

    wavelet: str = "morlet"
    """`morlet` or `morse` (generalised)."""
    omega0: float = 6.0
    """Centre of the Morlet wavelet, radians per scale; 2 pi sigma_t f."""
    gamma: float = 3.0
    """Symmetry of the Morse wavelet; 3 is the most symmetric."""
    beta: float = 20.0
    """Order of the Morse wavelet; time-bandwidth product beta * gamma."""
    block_frames: int = 14
    """Frames made at once, at least: more are cheaper, and later."""

    def __post_init__(self) -> None:
        """Bring the numbers to one type each, so that equal specs have equal JSON."""
        canonical(self)

    def check(self, grid: Grid) -> None:
        """Refuse numbers that this analysis or compression cannot have, with a ConfigError that names them."""
        require("analysis.wavelet", self.wavelet, self.wavelet in ("morlet", "morse"), "morlet, morse")
        require("analysis.omega0", self.omega0, 4.5 <= self.omega0 <= 60, "4.5 to 60 (below, not analytic)")
        require("analysis.gamma", self.gamma, 1 <= self.gamma <= 10, "1 to 10")
        require("analysis.beta", self.beta, 3 <= self.beta <= 500, "3 to 500")
        require("analysis.block_frames", self.block_frames, 1 <= self.block_frames <= 1024, "1 to 1024")
        require("low_hz", grid.low_hz, grid.low_hz >= 1, "1 or more for a wavelet")
        require("hop_samples", grid.hop_samples, is_smooth(grid.hop_samples), "a product of 2, 3 and 5 for wavelets")
        longest = min(16 * LONGEST, (1 << 26) // grid.bands)  # a spec comes with a model: it may not fill the memory
        samples = self.layout(grid)[1] * max(grid.hop_samples, LEAST_PACE)
        require("low_hz", f"{grid.low_hz:g} with blocks of {samples} samples", samples <= longest, f"up to {longest}")

    def spectrum(self, ratio: Any) -> Any:
        """Fourier transform of the wavelet at frequencies `ratio` times its centre; real, peak 1 at ratio 1.

        Morlet: exp(-omega0^2 (ratio - 1)^2 / 2); Morse: (ratio exp((1 - ratio^gamma) / gamma))^beta; zero below 0 Hz.
        Source: Torrence & Compo 1998; Lilly & Olhede, Higher-order properties of analytic wavelets, 2009.
        """
        ratio = np.maximum(np.asarray(ratio, np.float64), 0.0)
        if self.wavelet == "morlet":
            return np.where(ratio > 0, np.exp(-0.5 * (self.omega0 * (ratio - 1)) ** 2), 0.0)
        return (ratio * np.exp((1 - ratio**self.gamma) / self.gamma)) ** self.beta

    def half_periods(self) -> float:
        """Half the support in periods of the centre: beyond, the modulus in time is below 1e-4 of its peak."""
        steps, points = 64, 1 << 14  # frequencies up to 64 times the centre: 64 instants to a period, 256 periods
        modulus = np.abs(np.fft.ifft(self.spectrum(np.arange(points) * steps / points)))
        loud = np.flatnonzero(modulus[: points // 2] >= WAVELET_TAIL * modulus[0])
        return float(loud[-1] + 1) / steps

    def layout(self, grid: Grid) -> tuple[int, int]:
        """Half the support, in frames, and the frames of one overlap-save block, support included: a power of two."""
        half = -(-math.ceil(self.half_periods() / grid.low_hz * grid.rate_hz) // grid.hop_samples)
        return half, max(4, 1 << (2 * half + self.block_frames - 1).bit_length())

    def reach_samples(self, grid: Grid) -> tuple[int, int]:
        """Samples before t * hop, and from t * hop on, that frame t touches: half the support of the lowest wavelet."""
        half, _ = self.layout(grid)
        return half * grid.hop_samples, (half + 1) * grid.hop_samples

    def waiting_frames(self, grid: Grid) -> int:
        """Frames that may have to be there before one is made."""
        half, block = self.layout(grid)
        return block - 2 * half - 1


@dataclass(frozen=True, slots=True)
class Log:
    """Logarithm of the energies, never below a floor."""

    unit: str = "db"
    """`db`: 10 log10; `ln`: natural logarithm."""
    floor: float = -100.0
    """Levels below this are raised to it, in the same unit."""

    def __post_init__(self) -> None:
        """Bring the numbers to one type each, so that equal specs have equal JSON."""
        canonical(self)

    def check(self) -> None:
        """Refuse numbers that this analysis or compression cannot have, with a ConfigError that names them."""
        require("compression.unit", self.unit, self.unit in ("db", "ln"), "db, ln")
        lowest = -370.0 if self.unit == "db" else -85.0  # of a float32
        require("compression.floor", self.floor, lowest <= self.floor <= 0, f"{lowest:g} to 0")


@dataclass(frozen=True, slots=True)
class Pcen:
    """Per-channel energy normalisation: (E / (eps + M)^alpha + delta)^r - delta^r, M a one-pole smoothing of E.

    The defaults are HeAR's. M starts at the first frame's energy, at the beginning and after every gap.
    """

    s: float = 0.04
    """Coefficient of the smoother: M[t] = (1 - s) M[t-1] + s E[t]."""
    alpha: float = 0.8
    """Strength of the gain normalisation."""
    delta: float = 2.0
    """Bias before the root."""
    r: float = 0.5
    """Exponent of the root."""
    eps: float = 1e-8
    """Keeps silence finite; in the unit of E."""

    def __post_init__(self) -> None:
        """Bring the numbers to one type each, so that equal specs have equal JSON."""
        canonical(self)

    def check(self) -> None:
        """Refuse numbers that this analysis or compression cannot have, with a ConfigError that names them."""
        require("compression.s", self.s, 0 < self.s <= 1, "above 0 to 1")
        require("compression.alpha", self.alpha, 0 <= self.alpha <= 1, "0 to 1")
        require("compression.delta", self.delta, 0 < self.delta <= 1e6, "above 0 to 1e6")
        require("compression.r", self.r, 0 < self.r <= 1, "above 0 to 1")
        require("compression.eps", self.eps, 1e-30 <= self.eps <= 1, "1e-30 to 1")


def canonical(part: Any) -> None:
    """Numbers as the fields declare them, so that 50 and 50.0, a list and a tuple, give one hash."""
    for field in fields(part):
        value, kind = getattr(part, field.name), str(field.type)
        try:
            if kind.startswith("tuple"):
                if isinstance(value, str):
                    raise TypeError
                exact: Any = tuple(_scalar(kind[6:-6], x) for x in value)
            elif kind in ("int", "float", "str", "bool"):
                exact = _scalar(kind, value)
            else:
                continue
        except (TypeError, ValueError, OverflowError):
            raise ConfigError(f"feature spec: {field.name} = {_short(value)}, allowed: {kind}") from None
        object.__setattr__(part, field.name, exact)


def _scalar(kind: str, value: Any) -> Any:
    if kind in ("str", "bool"):
        if type(value) is not {"str": str, "bool": bool}[kind]:
            raise TypeError
        return value
    exact = int(value) if kind == "int" else float(value) + 0.0  # -0.0 becomes 0.0
    if exact != value or isinstance(value, (str, bool)) or abs(exact) > 1 << 62:
        raise TypeError
    return exact


def require(field: str, value: object, holds: bool, allowed: str) -> None:
    """Raise ConfigError naming the field, what it is and what it may be, unless it holds."""
    if not holds:
        found = value if isinstance(value, (str, int, float)) else _short(value)
        raise ConfigError(f"feature spec: {field} = {found!s:.100}, allowed: {allowed}")


def _short(value: object) -> str:
    try:
        return reprlib.repr(value)
    except ValueError:  # an integer of more digits than Python prints
        return f"a {type(value).__name__} of many digits"


def is_smooth(size: int) -> bool:
    """Whether `size` is a product of 2, 3 and 5, which is what the Fourier transform can do."""
    for prime in (2, 3, 5):
        while size > 1 and size % prime == 0:
            size //= prime
    return size == 1


def whole_hops(samples: float, hop_samples: int) -> int:
    """The samples of the fewest hops that hold `samples`."""
    return math.ceil(samples / hop_samples) * hop_samples
