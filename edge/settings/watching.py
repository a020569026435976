"""The sections `metrics` and `self_test` of the settings: how a node is watched, from outside and by itself.

Not for what is signalled (`edge.settings.alarms`). Both stand in the way of no bed: a port that is taken, or a test
that fails, is told and nothing else.

    metrics: {port: 9108}
    self_test: {every_s: 3600}
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from edge.settings.section import Host, Section

LEAST_EVERY_S = (
    20.0  # a test takes up to this long: 5 s until the sound, 10 s until it is late, and rest before the next
)


class Metrics(Section):
    """Numbers for Prometheus over HTTP, without encryption or password: whoever reaches the port may read them."""

    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """TCP port of `/metrics`; None: no metrics."""
    host: Host = "127.0.0.1"
    """Address to listen at: by default this machine alone; `0.0.0.0` is every network that the box is in."""


class SelfTestSettings(Section):
    """A synthetic wheeze on a virtual bed, through the model and the broker and back."""

    every_s: Annotated[float, Field(ge=0, le=7 * 86_400)] = 3600.0
    """From one test to the next, seconds; 0: no tests."""

    @field_validator("every_s")
    @classmethod
    def _is_off_or_long_enough(cls, value: float) -> float:
        if 0 < value < LEAST_EVERY_S:
            raise ValueError(f"must be 0 (no tests) or at least {LEAST_EVERY_S:.0f} s, which one test takes")
        return value
