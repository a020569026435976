"""The only feature code of the project: streaming, exact, the same numbers for training and for the bedside."""

from edge import kernel_cache

with kernel_cache.kept_here():
    from edge.features.logmel import LogMel
    from edge.features.spec import FeatureSpec
    from edge.features.warm import warm_up

__all__ = ["FeatureSpec", "LogMel", "warm_up"]
