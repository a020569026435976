"""The hash by which `info` and every event name the settings that were in force.

Not for comparing settings: a default that changes with a release changes it too, for it is of what holds.
"""

from __future__ import annotations

import hashlib

from edge.settings.config import Config


def config_hash(config: Config) -> str:
    """`sha256:` and 64 hexadecimal digits, of the settings with all defaults filled in."""
    effective = config.model_dump_json().encode()  # holds no secret, only the names of their files
    return f"sha256:{hashlib.sha256(effective).hexdigest()}"
