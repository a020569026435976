"""The errors of the edge, split by who can mend them.

    LaennecError            one clear line for a person: what was expected, what was found, what to do
     ├─ ConfigError         the operator: a key, a value, a command line
     ├─ SourceError         the outside world: a file, a microphone, a broker
     ├─ ModelError          the artefact: missing, damaged, or made for something else
     └─ WireError           packets; counted by the deframer and never seen outside it

The message is the product: `__main__` prints it after `laennec: ` and exits with code 2, without a traceback.
"""

from __future__ import annotations


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
