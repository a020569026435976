"""Text with `${name}` in it, filled from what a box is. Nothing else: no conditions, no loops, no code.

Not for what the text means. A name that the box does not have is an error; `$${` is a plain `${`; every other `$`
stays as it is. Values cannot hold anything that means something to YAML (`deploy.fleet.settings`), so they cannot add
keys.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches

from deploy.errors import DeployError

PLACE = re.compile(r"\$(\$?)\{([^{}\n]*)\}")


def fill(text: str, values: Mapping[str, str], origin: str) -> str:
    """The text, with every `${name}` replaced.

    Args:
        text: a template.
        values: what may be named.
        origin: where the text is from, for messages: a box and a file.

    Raises:
        DeployError: it names something else; with the line, and what may be named.
    """

    def value(found: re.Match[str]) -> str:
        if found[1]:
            return found[0][1:]
        if found[2] in values:
            return values[found[2]]
        line = text.count("\n", 0, found.start()) + 1
        close = get_close_matches(found[2], values, n=1, cutoff=0.5)
        meant = f" (did you mean ${{{close[0]}}}?)" if close else ""
        raise DeployError(
            f"{origin}, line {line}: nothing is called {found[0]}{meant}; known: {', '.join(sorted(values))}; "
            "add it under `values`, or write $${...} for the text itself"
        )

    return PLACE.sub(value, text)
