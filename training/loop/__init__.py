"""The one training loop of the recipes: any `Learner` in, a run folder with checkpoints and curves out.

The detector of the edge (`training.detector`) and the published methods (`training.clips`) are both trained by it. Not
for what is learnt.
"""

from training.loop.fit import Outcome, best_device, train
from training.loop.learner import Batch, Learner, LoopSpec, Losses
from training.loop.run_folder import Identity, RunFolder

__all__ = [
    "Batch",
    "Identity",
    "Learner",
    "LoopSpec",
    "Losses",
    "Outcome",
    "RunFolder",
    "best_device",
    "train",
]
