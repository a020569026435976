"""What stops a deployment: one line for a person, and the state in which it leaves the box."""

from __future__ import annotations

from edge.errors import LaennecError


class DeployError(LaennecError):
    """What was expected, what was found, and what to do; `state` says what the box runs now, as far as is known."""

    def __init__(self, message: str, state: str = "") -> None:
        super().__init__(message)
        self.state = state
