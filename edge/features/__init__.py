"""The only feature code of the project: streaming, exact, the same numbers for training and for the bedside."""

from edge.features.frontend import FrontEnd
from edge.features.parts import Cwt, Gammatone, Log, Mel, Pcen
from edge.features.spec import FRONT_ENDS, FeatureSpec

__all__ = [
    "FRONT_ENDS",
    "Cwt",
    "FeatureSpec",
    "FrontEnd",
    "Gammatone",
    "Log",
    "Mel",
    "Pcen",
]
