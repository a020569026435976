"""What one kind of device needs so that a model gets sound as in its training: a file beside the model.

JSON with its own SHA-256 (`seal`), for exactly one model: that of the fp32 artefact and of its variants. Made by
`laennec adapt` on the box, from sound of the device; with labelled recordings `python -m training.adapt` adds a
calibration and thresholds. It need not be signed: whoever may write the settings of a node decides what its streams
use; these can ask for a signature beside it (`edge.model.releases.signature`). Not for measuring
(`edge.detector.equaliser`) or applying it (`edge.detector.level`, `edge.detector.pipeline`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from edge.errors import ModelError
from edge.model.onnx_file import ordinary_size
from edge.model.specs import GroupSpec, Variant, numbers
from edge.model.training_domain import GROUPS

SCHEMA = "laennec.adaptation/1"
MAX_BYTES = 1 << 16
LARGEST_BOOST_DB = 12.0  # more would raise the noise of a converter to a sound
LARGEST_CUT_DB = 30.0
LARGEST_SCALE, LARGEST_BIAS = 10.0, 10.0  # of the calibration; fits on labelled recordings lie within 3


class Adaptable(Protocol):
    """What is needed of a model."""

    sha256: str
    variant: Variant
    groups: tuple[GroupSpec, ...]

    @property
    def event_classes(self) -> tuple[str, ...]:
        """Classes that become events."""


@dataclass(frozen=True, slots=True)
class Adaptation:
    """The adaptation of one model to one kind of device."""

    device: str
    """Its name, for a person."""
    model: str
    """SHA-256 of the fp32 artefact that it is for, hex."""
    made: str
    """Day, such as 2026-11-22."""
    recordings: int
    """Files that it was measured on."""
    measured_s: float
    """Their measurable sound, seconds."""
    level_db: float
    """Median level of the device, dBFS."""
    equaliser_db: tuple[float, ...]
    """What is added to each of `GROUPS` groups of bands, dB."""
    outside_db: tuple[float, float]
    """How far the spectrum lay outside what the model knows before, and lies with the equaliser, dB."""
    labelled: int = 0
    """Labelled recordings that the calibration and thresholds were chosen on; 0: there are none."""
    calibration: dict[str, tuple[float, float]] = field(default_factory=dict)
    """By group of classes, scale and bias of the log-odds that the group sounds."""
    thresholds: dict[str, float] = field(default_factory=dict)
    """By class, instead of the model's."""
    gain: dict[str, float] = field(default_factory=dict)
    """What the calibration and thresholds were worth on patients that were left out, by name."""

    def to_text(self) -> str:
        """The file."""
        fields = {"schema": SCHEMA, **asdict(self)}
        return json.dumps({**fields, "seal": _seal(fields)}, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_text(cls, text: str) -> Adaptation:
        """Read a file.

        Raises:
            ModelError: not one, damaged, or with a number that cannot be.
        """
        try:
            fields = json.loads(text)
            if not isinstance(fields, dict) or fields.get("schema") != SCHEMA:
                raise ModelError(f"expected an adaptation ({SCHEMA}); make one with  laennec adapt")
            found = fields.pop("seal", None)
            if found != _seal(fields):
                raise ModelError("damaged: its seal does not fit its content; copy it again, or run  laennec adapt")
            del fields["schema"]
            pairs = {str(name): numbers(pair, 2, LARGEST_SCALE) for name, pair in fields["calibration"].items()}
            return cls(
                device=str(fields["device"]),
                model=str(fields["model"]),
                made=str(fields["made"]),
                recordings=int(fields["recordings"]),
                measured_s=float(fields["measured_s"]),
                level_db=float(fields["level_db"]),
                equaliser_db=numbers(fields["equaliser_db"], GROUPS, LARGEST_CUT_DB),
                outside_db=(float(fields["outside_db"][0]), float(fields["outside_db"][1])),
                labelled=int(fields["labelled"]),
                calibration={name: (pair[0], pair[1]) for name, pair in pairs.items()},
                thresholds={str(name): float(value) for name, value in fields["thresholds"].items()},
                gain={str(name): float(value) for name, value in fields["gain"].items()},
            )._checked()
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise ModelError(f"not understood: {error!r}; make it again with  laennec adapt") from error

    def _checked(self) -> Adaptation:
        if max(self.equaliser_db) > LARGEST_BOOST_DB:
            raise ValueError(f"equaliser of {max(self.equaliser_db)} dB, expected up to {LARGEST_BOOST_DB:g}")
        if any(not 0 < value < 1 for value in self.thresholds.values()):
            raise ValueError(f"thresholds {self.thresholds}, expected numbers between 0 and 1")
        if any(not scale > 0 for scale, _ in self.calibration.values()):
            raise ValueError(f"calibration {self.calibration}, expected scales above 0")
        return self

    def body(self) -> dict[str, Any]:
        """What a node's info says of it."""
        return {
            "device": self.device,
            "made": self.made,
            "equaliser_db": list(self.equaliser_db),
            "labelled": self.labelled,
        }

    def lines(self) -> list[str]:
        """For a person."""
        curve = ", ".join(f"{gain:+.0f}" for gain in self.equaliser_db)
        before, after = self.outside_db
        out = [
            f"adaptation: {self.device}, made {self.made} of {self.measured_s:.0f} s in {self.recordings} files",
            f"  equaliser: {curve} dB, in eight groups of bands from low to high",
            f"  level of the device: {self.level_db:.0f} dBFS",
            f"  spectrum outside what the model knows: {before:.1f} dB before, {after:.1f} dB with it",
        ]
        if self.labelled:
            out.append(f"  calibration and thresholds: of {self.labelled} labelled recordings")
            out += [f"    {name}: {value:.3f}" for name, value in self.gain.items()]
        return out


def load_adaptation(path: Path, model: Adaptable) -> Adaptation:
    """Read an adaptation of this model.

    Raises:
        ModelError: it cannot be read, is damaged, or belongs to another model; names the file and the repair.
    """
    try:
        if ordinary_size(path, "adaptation") > MAX_BYTES:
            raise ModelError(f"adaptation {path}: expected at most {MAX_BYTES >> 10} kB; not an adaptation?")
        adaptation = Adaptation.from_text(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not text"
        raise ModelError(f"adaptation {path}: cannot be read ({why}); check the path") from error
    except ModelError as error:
        prefix = f"adaptation {path}: "
        raise ModelError(str(error) if str(error).startswith(prefix) else prefix + str(error)) from None
    if adaptation.model != fp32_sha256(model):
        raise ModelError(
            f"adaptation {path}: made for model {adaptation.model[:12]}, this one is {fp32_sha256(model)[:12]}; "
            "run  laennec adapt  again with this model"
        )
    unknown = {*adaptation.thresholds} - {*model.event_classes} | {*adaptation.calibration} - {
        group.name for group in model.groups
    }
    if unknown:
        raise ModelError(f"adaptation {path}: the model has no {', '.join(sorted(unknown))}")
    return adaptation


def fp32_sha256(model: Adaptable) -> str:
    """SHA-256 of the fp32 artefact: all its variants are one model."""
    return model.variant.parent or model.sha256


def _seal(fields: Mapping[str, Any]) -> str:
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
