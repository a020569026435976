"""Everything that decides a training, in one frozen record whose hash every checkpoint carries."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field

from edge.features import FeatureSpec, Log, Mel
from edge.windows import WindowSpec
from training.augment import AugmentSpec
from training.network import STRIDE, NetworkSpec


@dataclass(frozen=True, slots=True)
class Recipe:
    """The default model. Chosen on patient-wise validation; the measurements are in training/README.md."""

    features: FeatureSpec = field(
        default_factory=lambda: FeatureSpec(
            rate_hz=8000,
            hop_samples=64,  # 8 ms
            bands=48,
            low_hz=50.0,
            high_hz=2000.0,  # the recordings hold nothing above
            analysis=Mel(windows_samples=(512, 128), fft_size=512),  # 64 ms parts harmonics, 16 ms shows a crackle
            compression=Log(floor=-105.0),  # dB; just above the noise of 16-bit samples: no model can hear a converter
            offset=(-75.0,),
            scale=(20.0,),
        )
    )
    window: WindowSpec = field(
        default_factory=lambda: WindowSpec(
            window_frames=600,  # 4.8 s, one or two breaths
            hop_frames=60,  # 0.48 s
            lookahead_frames=120,  # 0.96 s, most of a breath phase
            score_frames=STRIDE,  # 32 ms
        )
    )
    network: NetworkSpec = field(default_factory=NetworkSpec)
    augment: AugmentSpec = field(default_factory=AugmentSpec)
    epochs: int = 28
    steps: int = 64
    """Batches to an epoch."""
    batch: int = 32
    learning_rate: float = 3e-3
    weight_decay: float = 0.02
    average: float = 0.99
    """Decay of the running average of the weights, which is what is kept."""
    folds: int = 5
    synthetic: int = 300
    """Synthetic patients of 12 s each that join the training."""
    seed: int = 0

    @property
    def frame_s(self) -> float:
        """Seconds to one score frame."""
        return self.features.hop_samples * self.window.score_frames / self.features.rate_hz

    def to_json(self) -> str:
        """Canonical JSON."""
        return json.dumps(asdict(self) | {"features": json.loads(self.features.to_json())}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Read what `to_json` wrote."""
        fields = json.loads(text)
        fields["network"] |= {key: tuple(fields["network"][key]) for key in ("stem", "dilations")}
        return cls(
            **{
                **fields,
                "features": FeatureSpec.from_json(
                    json.dumps(fields["features"], sort_keys=True, separators=(",", ":"))
                ),
                "window": WindowSpec(**fields["window"]),
                "network": NetworkSpec(**fields["network"]),
                "augment": AugmentSpec(**fields["augment"]),
            }
        )

    @property
    def sha256(self) -> str:
        """Hash of the canonical JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()
