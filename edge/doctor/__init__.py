"""What `laennec doctor` looks at, one module for each part of a box; `edge.doctor.examine` puts them in order.

Not for mending. A check only looks: it creates no file that the service would later own, keeps no lock, and takes no
name at the broker that the running service has. Every check answers with a verdict:

    ok    it works
    warn  the service starts, and works in full once the world outside does: a microphone that is not plugged in, a
          broker that is away, a hot box
    fail  the service does not start, or never works, until somebody changes the installation or the settings
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Verdict = Literal["ok", "warn", "fail"]
SEVERITY: tuple[Verdict, ...] = ("ok", "warn", "fail")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    """What was looked at, such as `broker` or `source bed1`."""
    verdict: Verdict
    found: str
    """What is there, in one line."""
    advice: str = ""
    """What to do; empty when nothing is."""

    def as_record(self) -> dict[str, str]:
        """Fields for JSON."""
        return asdict(self)


def ok(name: str, found: str) -> Check:
    """It works."""
    return Check(name, "ok", found)


def warn(name: str, found: str, advice: str) -> Check:
    """It will work once the world outside does."""
    return Check(name, "warn", found, advice)


def fail(name: str, found: str, advice: str) -> Check:
    """Somebody must change something."""
    return Check(name, "fail", found, advice)


def worst(checks: list[Check]) -> Verdict:
    """The gravest verdict."""
    return max((check.verdict for check in checks), key=SEVERITY.index, default="ok")
