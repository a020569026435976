"""The feature spec: every number that decides what a frame is, in one frozen record.

It travels inside the model artefact and is never configuration: training, export and the edge build their extractor
from the same record, and two specs are equal exactly when their hashes are. Not for computing frames (`logmel.py`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from edge.errors import ConfigError


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """Log-mel energies in dB of one or more window lengths at one hop, side by side, each normalised per band.

    Frame t covers samples [t * hop_samples, t * hop_samples + span_samples), whatever the window: the shorter windows
    are centred in the longest. The short one shows a crackle (5-15 ms) undiluted, the long one separates the
    harmonics of a wheeze.
    """

    rate_hz: int = 8000
    """Sampling rate, Hz."""
    hop_samples: int = 64
    """Samples from one frame to the next."""
    windows_samples: tuple[int, ...] = (128,)
    """Length of each Hann window, samples."""
    fft_size: int = 256
    """Points of the Fourier transform, a power of two, at least the longest window."""
    bands: int = 48
    """Mel bands for each window."""
    low_hz: float = 50.0
    """Lower edge of the first band, Hz."""
    high_hz: float = 2500.0
    """Upper edge of the last band, Hz."""
    floor_db: float = -100.0
    """Energies below this are raised to it, dB re a full-scale sine in the band."""
    offset_db: float = -60.0
    """Subtracted from every band, dB."""
    scale_db: float = 20.0
    """Divides every band after that, dB."""

    def __post_init__(self) -> None:
        """Refuse a spec that cannot be, naming the field and its range."""
        longest = max(self.windows_samples, default=0)
        _require("rate_hz", self.rate_hz, self.rate_hz > 0, "above 0")
        _require("hop_samples", self.hop_samples, self.hop_samples > 0, "above 0")
        _require(
            "windows_samples",
            self.windows_samples,
            min(self.windows_samples, default=0) > 1,
            "one or more, each above 1",
        )
        power_of_two = self.fft_size >= 4 and self.fft_size & (self.fft_size - 1) == 0
        _require(
            "fft_size", self.fft_size, power_of_two and self.fft_size >= longest, f"a power of two from {longest} up"
        )
        nyquist_hz = self.rate_hz / 2
        _require("high_hz", self.high_hz, 0 < self.high_hz <= nyquist_hz, f"above 0, up to {nyquist_hz:g}")
        _require("low_hz", self.low_hz, 0 <= self.low_hz < self.high_hz, f"from 0 to below {self.high_hz:g}")
        _require("bands", self.bands, 0 < self.bands <= self.fft_size // 2, f"from 1 to {self.fft_size // 2}")
        _require("scale_db", self.scale_db, self.scale_db > 0, "above 0")

    @property
    def span_samples(self) -> int:
        """Samples that one frame looks at: the longest window."""
        return max(self.windows_samples)

    @property
    def width(self) -> int:
        """M, the numbers in one frame: bands of every window."""
        return self.bands * len(self.windows_samples)

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, shortest exact numbers, the same text on every Python."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> FeatureSpec:
        """Read what `to_json` wrote.

        Raises:
            ConfigError: if a field is missing, unknown, of the wrong kind, or out of range.
        """
        try:
            fields = json.loads(text)
            fields["windows_samples"] = tuple(int(n) for n in fields["windows_samples"])
            spec = cls(**fields)
        except (TypeError, KeyError, ValueError) as error:
            raise ConfigError(f"feature spec: not readable ({error}); found {text[:200]!r}") from error
        if spec.to_json() != text:
            raise ConfigError(f"feature spec: expected {spec.to_json()}, found {text[:400]}")
        return spec

    @property
    def sha256(self) -> str:
        """Hash of the canonical JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def _require(field: str, value: object, holds: bool, allowed: str) -> None:
    if not holds:
        raise ConfigError(f"feature spec: {field} = {value}, allowed: {allowed}")
