"""What every section of the settings has in common: an unknown key is an error, and nothing changes after the start.

Not for any key (`edge.settings.config`, and a module for each section that is long).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo


class Section(BaseModel):
    """One mapping of the YAML file; an unknown key is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


def beside_the_file(value: Path, info: ValidationInfo) -> Path:
    """A path of the settings: a relative one begins at the folder of their file, where they have one."""
    folder = (info.context or {}).get("folder")
    return value if folder is None or value.parts[:1] == ("~",) else Path(folder) / value


PathBeside = Annotated[Path, AfterValidator(beside_the_file)]
