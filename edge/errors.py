"""The errors of the edge, split by who can mend them.

    LaennecError            one clear line for a person: what was expected, what was found, what to do
     ├─ ConfigError         the operator: a key, a value, a command line
     ├─ SourceError         the outside world: a file, a microphone, a broker
     ├─ ModelError          the artefact: missing, damaged, or made for something else
     └─ WireError           packets; counted by the deframer and never seen outside it

The message is the product: `__main__` prints it after `laennec: ` and exits with code 2, without a traceback.
"""

from __future__ import annotations

import shlex
import sys

EXTRAS = {
    **dict.fromkeys(("alembic", "psycopg", "sqlalchemy"), "sqlalchemy alembic 'psycopg[binary]'"),
    **dict.fromkeys(("argon2", "starlette", "uvicorn"), "starlette uvicorn argon2-cffi"),
    **dict.fromkeys(("pyarrow",), "pyarrow"),
    **dict.fromkeys(("distributed",), "distributed pyarrow"),
    **dict.fromkeys(("amqtt", "apprise", "bleak", "matplotlib", "pandas", "pyaudio"), ""),
}
"""Packages that only some commands need: module -> what to install; empty where it is called as the module."""


class LaennecError(Exception):
    """Base of every error that is explained to a person instead of traced."""


class ConfigError(LaennecError):
    """The operator asked for something that cannot be; the message names the key, the value and the repair."""


class SourceError(LaennecError):
    """A file, device or peer does not give what it should; the message names it and what to try."""


class ModelError(LaennecError):
    """A model artefact is missing, damaged or does not fit; the message shows what was expected and found."""


class WireError(LaennecError):
    """A packet is malformed; never escapes the deframer, which counts it."""


def not_installed(error: ImportError) -> ConfigError | None:
    """What to install where an import failed; None where it is no package of `EXTRAS`."""
    module = (error.name or "").partition(".")[0]
    if module not in EXTRAS:
        return None
    command = f"{shlex.quote(sys.executable)} -m pip install {EXTRAS[module] or module}"
    return ConfigError(f"{module} is not installed; run  {command}")
