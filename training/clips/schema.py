"""What a recipe of a published method may say, key by key; all else is refused by name. Builds nothing.

A recipe decides a training together with the data: its canonical JSON is kept in the run folder, and a run goes on
only with an equal one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, TypeAdapter, model_validator

from edge.errors import ConfigError
from edge.features import FeatureSpec
from training.clips.cut import ClipPolicy
from training.loop import LoopSpec
from training.options import Sizes, Spec, checked, with_changes
from training.papers.ngo2022 import Mining
from training.papers.recipes import SMALL, recipe_path, sized_recipe
from training.tasks import TASKS, Task


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ClipPolicies(_Part):
    """How long clips are, for each kind of task."""

    event: ClipPolicy
    """Events of SPRSound: breath phases, median 1.2 s."""
    record: ClipPolicy
    """Whole recordings of SPRSound, mostly 9.2 s."""
    cycle: ClipPolicy
    """Breath cycles of ICBHI, median 2.5 s; and out of distribution, so that both are cut alike."""

    def of(self, task: Task) -> ClipPolicy:
        """The policy for a task."""
        if task.unit == "record":
            return self.record
        return self.event if task.name in ("1-1", "1-2") else self.cycle


class NetworkChoice(_Part):
    """Which backbone, and the sizes in which it differs from its default."""

    kind: Literal["inception-2022", "inception-2023", "ast"]
    sizes: Sizes = Field(default_factory=dict)
    """Fields of `InceptionSpec` or `TransformerSpec` (`training.papers`)."""
    checkpoint: str = ""
    """File with public weights that the user has fetched (`ast`)."""

    @model_validator(mode="after")
    def _takes_weights(self) -> NetworkChoice:
        if self.checkpoint and self.kind != "ast":
            raise ValueError(f"checkpoint: {self.kind} takes none; choose --size paper, or --set network.kind=ast")
        return self


class Head(_Part):
    """From embeddings to labels."""

    kind: Literal["linear", "angular"] = "linear"
    scale: float = Field(37.0, gt=0)
    """s_a of the angular classifier."""
    normalise: Literal["none", "layer"] = "none"
    """Layer norm before a linear head, as AST has."""


class _Loss(_Part):
    weight: float = Field(1.0, gt=0)
    retired: ClassVar[dict[str, Any]] = {}
    """Keys of older runs, each with the one value that it had wherever it was used."""

    @model_validator(mode="before")
    @classmethod
    def _of_before(cls, fields: Any) -> Any:
        """Without the retired keys."""
        if not isinstance(fields, dict):
            return fields
        kept = {key: value for key, value in fields.items() if key not in cls.retired}
        for key, only in cls.retired.items():
            if fields.get(key, only) != only:
                raise ValueError(f"{key} = {fields[key]!r}: no longer trained, expected {only!r}")
        return kept


class CrossEntropySpec(_Loss):
    """Plain."""

    kind: Literal["cross-entropy"]
    retired: ClassVar[dict[str, Any]] = {"balance": 0.0, "smoothing": 0.0}


class FocalSpec(_Loss):
    """Focal loss of classes (`training.papers.ngo2023`)."""

    kind: Literal["focal"]
    gamma: float = Field(2.0, ge=0)
    retired: ClassVar[dict[str, Any]] = {"beta": 0.0}


class DfamSpec(_Loss):
    """Margins of quality and rarity (`training.papers.qlung`)."""

    kind: Literal["dfam"]
    scale: float = Field(15.0, gt=0)
    kappa: float = Field(0.5, ge=0)
    gamma: float = Field(0.5, ge=0, le=1)
    target: float = Field(0.2, ge=0)
    quality: Literal["each", "mean"] = "each"
    """`mean`: every clip has the mean quality of its batch, so that the margins of a class are constant."""


class PatchMixSpec(_Loss):
    """Patch-Mix, contrastive or with the cross-entropy of mixed labels (`training.papers.patchmix`)."""

    kind: Literal["patch-mix"]
    contrastive: bool = True
    temperature: float = Field(0.06, gt=0)
    alpha: float = Field(1.0, gt=0)
    """Of the Beta distribution of the share that stays."""
    retired: ClassVar[dict[str, Any]] = {"axis": "both", "cell": [8, 8]}


class TripletSpec(_Loss):
    """Triplets within the batch (`training.papers.ngo2022`)."""

    kind: Literal["triplet"]
    margin: float = Field(0.3, gt=0)
    mining: Mining = "hard"


ObjectiveSpec = Annotated[
    CrossEntropySpec | FocalSpec | DfamSpec | PatchMixSpec | TripletSpec,
    Field(discriminator="kind"),
]


class Masks(_Part):
    """SpecAugment: bands and frames replaced by the clip's mean."""

    probability: float = Field(0.84, ge=0, le=1)
    """That a clip is masked at all; the published code masks where N(0, 1) <= 1."""
    bands: int = Field(48, ge=0)
    """Widest mask is one less; 0: none."""
    frames: int = Field(160, ge=0)
    """Longest mask is one less; 0: none."""
    count: int = Field(2, ge=0, le=10)
    """Of each kind."""


class Augment(_Part):
    """What is done to training clips."""

    masks: Masks | None = None
    mixup: float = Field(0.0, ge=0, le=10)
    """alpha of Beta(alpha, alpha); 0: no mixup."""
    gain: float = Field(0.0, ge=0)
    """Standard deviation of a number added to all levels of a clip, in units of the spec's scale."""
    shift: float = Field(0.0, ge=0, le=1)
    """Largest turn of a repeated clip around its end, as a share of its length."""


class Sampler(_Part):
    """Which clips make a batch."""

    balance: float = Field(0.0, ge=0, le=1)
    """Exponent: a class of n clips is drawn in proportion to n^(1 - balance); 0: every clip once in an epoch."""
    steps: int = Field(0, ge=0)
    """Batches to an epoch; 0: as many as the clips fill."""


class Validation(_Part):
    """Patients of the training part that are kept for validation; a test set is never looked at."""

    folds: int = Field(5, ge=2, le=50)
    fold: int = Field(0, ge=0)
    seed: int = 0

    @model_validator(mode="after")
    def _in_range(self) -> Validation:
        if self.fold >= self.folds:
            raise ValueError(f"fold = {self.fold}, expected 0 to {self.folds - 1}")
        return self


class Recipe(_Part):
    """What every recipe says, whatever it trains."""

    name: str
    source: str = Field(min_length=10)
    """Where the method is published."""
    follows: list[str] = Field(min_length=1)
    """Parts of the paper that are followed."""
    chosen: list[str]
    """Parts that are chosen here, because the paper does not say."""
    seed: int = Field(0, ge=0)
    features: dict[str, Spec] = Field(min_length=1)
    """Spectrograms side by side, by name."""
    validation: Validation = Validation()
    loop: LoopSpec
    limit: int = Field(0, ge=0)
    """Clips at most, for a trial; 0: all."""

    @model_validator(mode="after")
    def _same_frames(self) -> Recipe:
        shapes = {(spec.hop_samples / spec.rate_hz, spec.width) for spec in self.features.values()}
        if len(shapes) > 1:
            raise ValueError(
                f"features: expected spectrograms of one hop and one width, found {sorted(shapes)} (seconds, numbers)"
            )
        return self

    @property
    def spec(self) -> FeatureSpec:
        """The first of its spectrograms; the others have its hop and its width."""
        return next(iter(self.features.values()))


class ClassifierRecipe(Recipe):
    """A classifier of clips: backbone, head, losses."""

    method: Literal["classify"] = "classify"
    task: str
    clip: ClipPolicies
    network: NetworkChoice
    head: Head = Head()
    losses: list[ObjectiveSpec] = Field(min_length=1)
    augment: Augment = Augment()
    sampler: Sampler = Sampler()

    @model_validator(mode="after")
    def _fits(self) -> ClassifierRecipe:
        if self.task not in TASKS:
            raise ValueError(f"task = {self.task!r}, expected one of {', '.join(TASKS)}")
        kinds = [loss.kind for loss in self.losses]
        if len(set(kinds)) < len(kinds):
            raise ValueError(f"losses: each kind once, found {', '.join(kinds)}")
        if "dfam" in kinds and self.head.kind != "angular":
            raise ValueError("losses: dfam widens angles and needs head.kind = angular")
        if "patch-mix" in kinds and self.network.kind != "ast":
            raise ValueError("losses: patch-mix exchanges tokens and needs network.kind = ast")
        if "patch-mix" in kinds and self.augment.mixup:
            raise ValueError("augment.mixup: clips are mixed by patch-mix already; set it to 0")
        return self

    @property
    def frames(self) -> int:
        """T of a full clip."""
        return -(-self.clip.of(TASKS[self.task]).length(self.spec.rate_hz) // self.spec.hop_samples)


class Probe(_Part):
    """A logistic regression on frozen embeddings."""

    tasks: list[str] = Field(default_factory=lambda: ["1-1", "1-2", "2-1", "2-2"])
    strengths: list[PositiveFloat] = Field(default_factory=lambda: [0.01, 0.1, 1.0], min_length=1)
    """Inverse regularisation; the best on validation patients is taken."""
    balanced: bool = True
    """Weigh classes by the inverse of their counts."""

    @model_validator(mode="after")
    def _known(self) -> Probe:
        if unknown := [name for name in self.tasks if name not in TASKS]:
            raise ValueError(f"tasks: {unknown[0]!r} is unknown, expected some of {', '.join(TASKS)}")
        return self


class Detector(_Part):
    """The detector of health sounds, trained on what is there."""

    epochs: int = Field(8, ge=1)
    batch: int = Field(32, ge=2)
    learning_rate: float = Field(2e-3, gt=0)
    labels: dict[str, str]
    """From a kind of negative, or `breath`, to the detector's label; kinds that are not in it are taught as none."""


class HearRecipe(Recipe):
    """Masked pre-training, probes on frozen embeddings, a detector of health sounds."""

    method: Literal["masked"]
    clip: ClipPolicy
    sizes: Sizes = Field(default_factory=dict)
    """Fields of `training.papers.hear.MaskedSpec`."""
    micro_batches: int = Field(1, ge=1)
    """Parts that a batch of the pre-training goes through the network in; same gradients, less memory."""
    overlap: float = Field(0.0, ge=0, lt=1)
    """Of the clips that a recording is cut into for the pre-training."""
    probe: Probe = Probe()
    detector: Detector | None = None
    detector_features: Spec


_KINDS: dict[str, TypeAdapter[Any]] = {"classify": TypeAdapter(ClassifierRecipe), "masked": TypeAdapter(HearRecipe)}


def load_recipe(
    name: str, size: str = SMALL, changes: Mapping[str, Any] | None = None
) -> ClassifierRecipe | HearRecipe:
    """One recipe.

    Args:
        name: of a paper, or a path to a file of the user's own.
        size: one of those under the recipe's `size`.
        changes: dotted keys and their values, which come last.

    Raises:
        ConfigError: naming file, key, the value found and what was expected.
    """
    return parse_recipe(with_changes(sized_recipe(name, size), changes or {}), str(recipe_path(name)))


def parse_recipe(tree: Mapping[str, Any], where: str) -> ClassifierRecipe | HearRecipe:
    """A recipe from its keys, as YAML or a run folder holds them.

    Args:
        tree: keys and values.
        where: file that a message names.

    Raises:
        ConfigError: naming the keys that are wrong.
    """
    method = tree.get("method", "classify")
    if not isinstance(method, str) or method not in _KINDS:
        raise ConfigError(f"{where}: method = {method!r}, expected one of {', '.join(_KINDS)}")
    recipe: ClassifierRecipe | HearRecipe = checked(_KINDS[method], tree, where)
    return recipe
