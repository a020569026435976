"""What becomes an event on one stream: how sure and how long a sound of each class must be, also after lost sound.

Here a bed's thresholds are decided (`EventOptions.thresholds_in_force`): those of its settings, before those of its
device's adaptation, of the patient's age, of the model. Not for applying them to scores (`edge.detector.tracker`), for
what is lost (`edge.detector.concealment`), nor for what classes share: which of them are one group, and the running
median of its scores (`edge.model.specs.GroupSpec`). A class for which nothing else is said has the numbers of its
group.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import ceil, exp

from edge.errors import ConfigError
from edge.model.adaptation import Adaptation
from edge.model.model import Model
from edge.model.specs import GroupSpec
from edge.settings.node import Stream
from edge.settings.sections import years_of


@dataclass(frozen=True, slots=True)
class ClassRule:
    """Of one class; an event obeys the class that it has most of so far."""

    keep: float
    """A pause belongs to an event if its mean is this share of that of the event, 0 to 1; of a model without change
    points, an event that this class opened lasts while the score stays above this share of the threshold."""
    confirm_frames: int
    """Score frames that an event must last to count."""
    quiet_frames: int
    """Score frames of quiet that end an event; shorter pauses belong to it."""


@dataclass(frozen=True, slots=True)
class ClassChange:
    """What an operator wants of one class on one stream; None: as the model has it."""

    keep: float | None = None
    minimum_s: float | None = None
    quiet_s: float | None = None


def class_rules(groups: Iterable[GroupSpec], changes: Mapping[str, ClassChange], hop_s: float) -> dict[str, ClassRule]:
    """The rule of each class that a group names.

    Args:
        groups: of the model.
        changes: of some classes.
        hop_s: from one score frame to the next, seconds.
    """
    rules = dict[str, ClassRule]()
    for group in groups:
        usual = ClassRule(group.keep, group.confirm_frames, group.quiet_frames)
        rules |= {name: _changed(usual, changes.get(name, ClassChange()), hop_s) for name in group.classes}
    return rules


def frames_of(seconds: float, hop_s: float) -> int:
    """The least number of score frames that lasts so long; at least one."""
    return max(1, ceil(seconds / hop_s - 1e-6))  # 0.32 s of 32 ms are ten frames, whatever floats make of it


def _changed(rule: ClassRule, change: ClassChange, hop_s: float) -> ClassRule:
    return replace(
        rule,
        keep=rule.keep if change.keep is None else change.keep,
        confirm_frames=rule.confirm_frames if change.minimum_s is None else frames_of(change.minimum_s, hop_s),
        quiet_frames=rule.quiet_frames if change.quiet_s is None else frames_of(change.quiet_s, hop_s),
    )


# What an event needs above its threshold behind lost sound, natural logarithm. Chosen on the patients of folds 1 and 2
# of the released training, 340 Normal and 190 adventitious recordings, each scored by the network that was not trained
# on it. By what is needed behind a gap and behind a concealed hole: new events an hour on Normal, events kept, at 1 %
# and 5 % of packets lost, 20 ms lost each second, and a link up 1 s, down .3 s:
#   0, 0      6, 98 %   15, 92 %   13, 97 %   18, 63 %
#   .8, .2    3, 97 %    9, 88 %    5, 92 %    5, 46 %
#   1, .4     3, 96 %    6, 84 %    3, 87 %    4, 41 %
# Begun 4 to 240 ms later, nothing lost, it is 19 an hour and 92 %. Of frames scored with the hole concealed and with it
# masked, the lower one: 3, 93 %; 6, 78 %; 5, 86 % or so.
AFTER_GAP_LOG_ODDS = 0.8
AFTER_BRIDGE_LOG_ODDS = 0.2
CAREFUL_FRAMES = 31  # so many score frames behind it; 1 s of those of 32 ms


def raised(threshold: float, log_odds: float) -> float:
    """A threshold (0 to 1) with some log-odds more; with 0.5, 0.42 becomes 0.54."""
    return 1.0 / (1.0 + (1.0 / threshold - 1.0) * exp(-log_odds))


@dataclass(frozen=True)
class EventOptions:
    """What an operator wants of the events of one stream, and what then holds."""

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
