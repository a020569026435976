"""The section `clips` of the settings: whether sound is kept, of what, how much and for how long. Absent: none is.

Not for where in a stream a clip begins (`edge.clips.recorder`).

    clips:
      of: [event, alarm]
      max_mb: 500
      keep_days: 7
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from edge.settings.section import PathBeside, Section

MARGIN_S = 15.0  # what is decided and scored lies so far behind the newest sound at most, with what may wait


class ClipSettings(Section):
    """What of the sound is kept; people may always ask for a clip by the command `clip`, if the broker lets them."""

    path: PathBeside | None = None
    """Folder; None: `laennec/clips-<node>` in the state directory of the service or the user."""
    of: tuple[Literal["event", "alarm"], ...] = ("event", "alarm")
    """What makes a clip by itself; an alarm: a physiological one that is raised."""
    pre_s: Annotated[float, Field(ge=8, le=120)] = 15.0
    """From the begin of the clip to the onset."""
    post_s: Annotated[float, Field(ge=0, le=60)] = 5.0
    """From the end of the sound to that of the clip."""
    longest_s: Annotated[float, Field(ge=10, le=300)] = 60.0
    """No clip is longer; one of an alarm is as long."""
    memory_s: Annotated[float, Field(ge=20, le=900)] = 120.0
    """Sound of each stream in memory (16 kB a second), and the most that a command may ask for."""
    max_mb: Annotated[float, Field(ge=1, le=1_000_000)] = 500.0
    """On disk, MB; the oldest clips go first, those of events before others, and never another for one of an event."""
    keep_days: Annotated[float, Field(gt=0, le=3660)] = 7.0
    """How long a clip is kept, days of the wall clock; one from before the clock was set, from when it was."""
    speech: Literal["drop", "keep"] = "drop"
    """What becomes of a clip in which speech was heard; `keep` only marks it."""

    @model_validator(mode="after")
    def _fits(self) -> ClipSettings:
        if self.longest_s < self.pre_s + self.post_s + 1:
            raise ValueError(
                f"longest_s is {self.longest_s:g}; pre_s and post_s need {self.pre_s + self.post_s + 1:g} or more"
            )
        if self.memory_s < self.longest_s + MARGIN_S:
            raise ValueError(
                f"memory_s is {self.memory_s:g}; clips of longest_s need {self.longest_s + MARGIN_S:g} or more"
            )
        return self
