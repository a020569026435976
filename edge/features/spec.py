"""The feature spec, every number that decides what a frame is in one frozen record, and named front-ends.

It travels inside the model artefact and is never configuration: training, export and the edge build their front-end
from the same record, and two specs are equal exactly when their hashes are. Not for computing frames (`frontend.py`).
Front-ends by name are for comparing by eye and by measurement; all have 8 kHz, as the default model, but for HeAR's.

A front-end is three choices. The *analysis* turns sound into energies in M bands (`Mel`, `Gammatone` or `Cwt`), the
*compression* turns energies into levels (`Log` or `Pcen`), and deltas and an affine normalisation follow:

    sound -> [high-pass] -> analysis -> compression -> [levels, delta, delta delta] -> (x - offset) / scale -> frames

Frame t touches the samples [t * hop - history, t * hop + ahead), whatever the front-end; what lies beyond reaches it
not at all (mel), or weakened by `settle_db` (gammatone), 60 dB (high-pass) or 80 dB (wavelets).
"""

from __future__ import annotations

import hashlib
import json
import reprlib
from dataclasses import asdict, dataclass, field

from edge.errors import ConfigError
from edge.features.high_pass import settle_samples
from edge.features.parts import LONGEST, Cwt, Gammatone, Grid, Log, Mel, Pcen, canonical, require

SCHEMA = "laennec.features/2"
LONGEST_TEXT = 1 << 18  # characters of JSON; offsets and scales of a thousand bands take a fifth


ANALYSES: dict[str, type[Mel] | type[Gammatone] | type[Cwt]] = {"mel": Mel, "gammatone": Gammatone, "cwt": Cwt}
COMPRESSIONS: dict[str, type[Log] | type[Pcen]] = {"log": Log, "pcen": Pcen}


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One front-end: from samples to frames, complete."""

    rate_hz: int = 8000
    """Sampling rate, Hz."""
    hop_samples: int = 100
    """Samples from one frame to the next."""
    bands: int = 64
    """Bands of the analysis (of each window, for several windows)."""
    low_hz: float = 50.0
    """Lower edge of the lowest mel filter; centre of the lowest gammatone filter or wavelet, Hz."""
    high_hz: float = 2500.0
    """Upper edge of the highest mel filter; centre of the highest gammatone filter or wavelet, Hz."""
    analysis: Mel | Gammatone | Cwt = field(default_factory=Mel)
    """Sound to energies."""
    compression: Log | Pcen = field(default_factory=Log)
    """Energies to levels."""
    deltas: int = 0
    """0: levels alone; 1: with their regression slope; 2: with the slope of the slope."""
    delta_frames: int = 2
    """Frames on each side that a slope is fitted over."""
    offset: tuple[float, ...] = (0.0,)
    """Subtracted from every number of a frame: one for all, or one for each."""
    scale: tuple[float, ...] = (1.0,)
    """Divides it after that: one for all, or one for each."""
    high_pass_hz: float = 0.0
    """Corner of a high-pass of the samples in front of the analysis (`high_pass.py`), Hz; 0: none."""

    def __post_init__(self) -> None:
        """Make the numbers canonical; refuse a spec that cannot be.

        Raises:
            ConfigError: naming the field and its range.
        """
        canonical(self)
        require("analysis", self.analysis, isinstance(self.analysis, (Mel, Gammatone, Cwt)), "Mel, Gammatone, Cwt")
        require("compression", self.compression, isinstance(self.compression, (Log, Pcen)), "Log, Pcen")
        self._check()
        self.analysis.check(self.grid)
        self.compression.check()

    @property
    def grid(self) -> Grid:
        """What the parts need to know."""
        return Grid(self.rate_hz, self.hop_samples, self.bands, self.low_hz)

    @property
    def levels(self) -> int:
        """Numbers in one frame before deltas: bands of every window."""
        return self.bands * (len(self.analysis.windows_samples) if isinstance(self.analysis, Mel) else 1)

    @property
    def width(self) -> int:
        """M, the numbers in one frame: levels, their deltas, and the deltas of those."""
        return self.levels * (1 + self.deltas)

    @property
    def windows(self) -> int:
        """Analyses side by side in one frame, of `bands` each: the window lengths of `Mel`, else one."""
        return self.levels // self.bands

    @property
    def history_samples(self) -> int:
        """Samples before t * hop that frame t touches."""
        settling = settle_samples(self.high_pass_hz, self.rate_hz) if self.high_pass_hz else 0
        reach = self.analysis.reach_samples(self.grid)[0] + self.deltas * self.delta_frames * self.hop_samples
        return reach + settling

    @property
    def ahead_samples(self) -> int:
        """Samples from t * hop on that frame t touches."""
        return self.analysis.reach_samples(self.grid)[1] + self.deltas * self.delta_frames * self.hop_samples

    @property
    def delay_samples(self) -> int:
        """Samples from t * hop on that may be needed before frame t is made; frames made in blocks wait."""
        return self.ahead_samples + self.analysis.waiting_frames(self.grid) * self.hop_samples

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, shortest exact numbers, the same text on every Python and NumPy."""
        content = asdict(self) | {"schema": SCHEMA}
        if not self.high_pass_hz:  # specs of before there was one keep their hash
            del content["high_pass_hz"]
        for key, kinds in (("analysis", ANALYSES), ("compression", COMPRESSIONS)):
            content[key]["kind"] = next(kind for kind, cls in kinds.items() if isinstance(getattr(self, key), cls))
        return json.dumps(content, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> FeatureSpec:
        """Read what `to_json` wrote.

        Raises:
            ConfigError: if a field is missing, unknown, of the wrong kind, or out of range.
        """
        if not isinstance(text, str) or len(text) > LONGEST_TEXT:
            raise ConfigError(f"feature spec: expected JSON text of up to {LONGEST_TEXT} characters")
        try:
            content = json.loads(text)
            found = content.pop("schema", None)
            if found != SCHEMA:
                raise ConfigError(f"feature spec: expected schema {SCHEMA}, found {found!r}; export the model again")
            for key, kinds in (("analysis", ANALYSES), ("compression", COMPRESSIONS)):
                part = dict(content[key])
                content[key] = kinds[part.pop("kind")](**part)
            spec = cls(**content)
        except (TypeError, KeyError, ValueError, AttributeError, RecursionError) as error:
            raise ConfigError(f"feature spec: not readable ({reprlib.repr(error)}); found {text[:200]!r}") from error
        if spec.to_json() != text:
            raise ConfigError(f"feature spec: expected {spec.to_json()}, found {text[:400]}")
        return spec

    @property
    def sha256(self) -> str:
        """SHA-256 of the canonical JSON, hex."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def _check(self) -> None:
        require("rate_hz", self.rate_hz, 0 < self.rate_hz <= 1 << 20, f"1 to {1 << 20}")
        require("hop_samples", self.hop_samples, 0 < self.hop_samples <= LONGEST, f"1 to {LONGEST}")
        nyquist_hz = self.rate_hz / 2
        require("high_hz", self.high_hz, 0 < self.high_hz <= nyquist_hz, f"above 0, up to {nyquist_hz:g}")
        require("low_hz", self.low_hz, 0 <= self.low_hz < self.high_hz, f"from 0 to below {self.high_hz:g}")
        lowest_hz = self.rate_hz / LONGEST
        fits = self.high_pass_hz == 0 or lowest_hz <= self.high_pass_hz <= nyquist_hz / 2
        require("high_pass_hz", self.high_pass_hz, fits, f"0, or {lowest_hz:g} to {nyquist_hz / 2:g}")
        require("bands", self.bands, 0 < self.bands <= 1024, "1 to 1024")
        require("deltas", self.deltas, self.deltas in (0, 1, 2), "0, 1, 2")
        require("delta_frames", self.delta_frames, 1 <= self.delta_frames <= 100, "1 to 100")
        for name, values in (("offset", self.offset), ("scale", self.scale)):
            require(name, f"{len(values)} numbers", len(values) in (1, self.width), f"1 number or {self.width}")
            fine = all(abs(x) <= 1e9 and (name == "offset" or x >= 1e-9) for x in values)
            require(name, values, fine, "-1e9 to 1e9" if name == "offset" else "1e-9 to 1e9")


LOG_MEL = FeatureSpec()
PCEN = FeatureSpec(analysis=Mel(unit="none"), compression=Pcen())  # delta and eps are in the unit of HeAR's energies
GAMMATONE = FeatureSpec(analysis=Gammatone())
MORLET = FeatureSpec(analysis=Cwt())
MORSE = FeatureSpec(analysis=Cwt(wavelet="morse"))
HEAR = FeatureSpec(
    rate_hz=16_000,
    hop_samples=160,
    bands=128,
    low_hz=0.0,
    high_hz=8000.0,
    analysis=Mel(windows_samples=(400,), fft_size=400, unit="none", scale="kaldi"),
    compression=Pcen(),
)
"""Mel and PCEN of HeAR (Baur et al., arXiv 2403.02522; code: github.com/Google-Health/hear), whose triangles are linear
in mel. Not its scaling of each clip to -1..1, nor its empty bands: one narrower than a bin takes the nearest here."""

FRONT_ENDS = {
    "log-mel": LOG_MEL,
    "pcen": PCEN,
    "gammatone": GAMMATONE,
    "morlet": MORLET,
    "morse": MORSE,
    "hear": HEAR,
}
