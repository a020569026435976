"""What becomes an event on one stream, where that is not as the model has it.

Not for finding events (`edge.detector.tracker`) and not for what a device needs (`edge.artefact.adaptation`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.artefact.adaptation import Adaptation
from edge.artefact.model import Model
from edge.detector.class_rules import ClassChange, ClassRule, class_rules, frames_of
from edge.errors import ConfigError
from edge.settings.age import years_of
from edge.settings.config import Stream


@dataclass(frozen=True)
class EventOptions:
    """Of one stream."""

    thresholds: Mapping[str, float] = field(default_factory=dict)
    """Scores that open events, 0 to 1, by class; of the others those of the model or of the device's adaptation."""
    classes: tuple[str, ...] | None = None
    """Classes that become events; all event classes of the model when None."""
    changes: Mapping[str, ClassChange] = field(default_factory=dict)
    """By class."""
    age_years: float | None = None
    """Of the patient; None: not known."""
    update_s: float | None = None
    """From one `update` of a sound that lasts to the next, seconds of sound; None: there are none."""

    @classmethod
    def of(cls, stream: Stream) -> EventOptions:
        """As the settings of a stream say."""
        changes = {name: ClassChange(each.keep, each.minimum_s, each.quiet_s) for name, each in stream.tracking.items()}
        age_years = None if stream.age is None else years_of(stream.age)
        return cls(stream.thresholds, stream.classes, changes, age_years, stream.update_s)

    def check(self, model: Model) -> None:
        """Refuse what the model cannot make events of.

        Raises:
            ConfigError: a class is not one of the model's.
        """
        unknown = sorted({*self.thresholds, *self.changes, *(self.classes or ())} - set(model.event_classes))
        if unknown:
            raise ConfigError(
                f"class {', '.join(unknown)}: not in the model, which has {', '.join(model.event_classes)}"
            )

    def thresholds_in_force(self, model: Model, adaptation: Adaptation | None = None) -> dict[str, float]:
        """Scores that open events on this stream, 0 to 1, by class; `adaptation` is of its device.

        What an adaptation says holds before what the model says of the patient's age: it was fitted on a ward's own.
        """
        of_device = adaptation.thresholds if adaptation is not None else {}
        return {**model.thresholds, **model.thresholds_at(self.age_years), **of_device, **self.thresholds}

    def rules(self, model: Model) -> dict[str, ClassRule]:
        """The rule of each class of the model that is tracked."""
        return class_rules(model.groups, self.changes, _hop_s(model))

    def update_frames(self, model: Model) -> int | None:
        """Score frames from one update to the next; None: there are none."""
        return None if self.update_s is None else frames_of(self.update_s, _hop_s(model))

    def rules_body(self, model: Model) -> dict[str, dict[str, float]]:
        """The rules as they hold, for `info`: seconds are those of whole score frames."""
        hop_s = _hop_s(model)
        return {
            name: {
                "keep": rule.keep,
                "minimum_s": round(rule.confirm_frames * hop_s, 3),
                "quiet_s": round(rule.quiet_frames * hop_s, 3),
            }
            for name, rule in self.rules(model).items()
        }


def _hop_s(model: Model) -> float:
    return model.score_hop_samples / model.rate_hz
