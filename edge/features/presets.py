"""Front-ends by name, for comparing them by eye and by measurement.

Not what a model uses: its spec travels inside the artefact. All hear 8 kHz, as the default model does, but for HeAR's.
"""

from __future__ import annotations

from edge.features.parts import Cwt, Gammatone, Mel, Pcen
from edge.features.spec import FeatureSpec

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
in mel. Not its scaling of each clip to -1..1, nor its deaf bands: one narrower than a bin hears the nearest here."""

FRONT_ENDS = {
    "log-mel": LOG_MEL,
    "pcen": PCEN,
    "gammatone": GAMMATONE,
    "morlet": MORLET,
    "morse": MORSE,
    "hear": HEAR,
}
