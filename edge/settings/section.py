"""What every section of the settings has in common: an unknown key is an error, and nothing changes after the start.

Not for any key (`edge.settings.config`, and a module for each section that is long).
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """One mapping of the YAML file; an unknown key is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())
