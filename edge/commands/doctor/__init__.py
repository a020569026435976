"""The checks of `laennec doctor`, one module for each part of a box; `edge.commands.doctor.examine` puts them in order.

Not for repairs. A check only reads: it creates no file that the service would later own, holds no lock, and uses no
client id of the running service at the broker. Every check has a verdict:

    ok    it works
    warn  the service starts, and works in full once something outside of it does: a microphone that is not plugged in,
          a broker that is away, a hot box
    fail  the service does not start, or never works, until somebody changes the installation or the settings
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Verdict = Literal["ok", "warn", "fail"]
SEVERITY: tuple[Verdict, ...] = ("ok", "warn", "fail")


@dataclass(frozen=True)
class Check:
    """The result of one check."""

    name: str
    """What was checked, such as `broker` or `source bed1`."""
    verdict: Verdict
    found: str
    """What was found, in one line."""
    advice: str = ""
    """What to do; empty when nothing is."""

    def as_record(self) -> dict[str, str]:
        """Name, verdict, found and advice, all text, as `laennec doctor --json` prints them."""
        return asdict(self)


def ok(name: str, found: str) -> Check:
    """A check that found nothing wrong."""
    return Check(name, "ok", found)


def warn(name: str, found: str, advice: str) -> Check:
    """A check of what works once something outside of the box does, or may soon stop working."""
    return Check(name, "warn", found, advice)


def fail(name: str, found: str, advice: str) -> Check:
    """A check of what does not work until somebody changes the installation or the settings."""
    return Check(name, "fail", found, advice)


def worst(checks: list[Check]) -> Verdict:
    """The most severe verdict of all checks; `ok` for none."""
    return max((check.verdict for check in checks), key=SEVERITY.index, default="ok")
