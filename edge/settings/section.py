"""What every section of the settings has in common: an unknown key is an error, and nothing changes after the start.

Not for any key (`edge.settings.config`, and a module for each section that is long).
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """One mapping of the YAML file; an unknown key is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


# Types of pydantic's errors, and what it expected in an operator's words
EXPECTED = {
    **dict.fromkeys(("tuple_type", "list_type"), "a list, each item after a dash"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "keys with values"),
    **dict.fromkeys(("string_type", "path_type"), "text"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
}
