"""The model and what runs it: seal, spec, variants beside it, the runtime that was chosen.

Not for whether it hears well (`training.evaluation`) or at all (`rehearsal`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge.doctor import Check, fail, ok, warn
from edge.errors import ConfigError, LaennecError

if TYPE_CHECKING:
    from edge.artefact.model import Model
    from edge.settings.config import Config
    from edge.settings.kinds import RuntimeName

JETSON = Path("/etc/nv_tegra_release")  # on every Jetson
AGAIN = "copy or export it again, or name another model"


def chosen(named: Path | None, config: Config | None) -> tuple[Path | None, list[Check]]:
    """The artefact that a run would take, and what is to be said of the shelf it comes from, if it does."""
    if named is not None or config is None or config.model is not None:
        return named or (config.model if config is not None else None), []
    from edge.releases.model_store import model_in_force

    try:
        path = model_in_force(config)
    except LaennecError as error:
        return None, [fail("shelf", str(error), "as it says; until then the node does not start")]
    promoted = [] if path is None else [ok("shelf", f"release {path.parent.name[:12]} is promoted: {path}")]
    return path, promoted


def model(path: Path | None, config: Config | None) -> tuple[Check, Model | None]:
    """Load the artefact as a run would, which checks its seal, its metadata and its graph."""
    from edge.artefact.runtime import open_model
    from edge.settings.config import check_classes

    try:
        loaded = open_model(path, wanted_runtime(config))
    except LaennecError as error:
        return fail("model", str(error), AGAIN), None
    try:
        if config is not None:
            check_classes(config, loaded)
    except ConfigError as error:
        return fail("model", str(error), "change the configuration, or name another model"), loaded
    found = f"{loaded.id}, sha256 {loaded.sha256[:12]}, features {loaded.features_sha256[:12]}, {loaded.runtime}"
    return ok("model", found), loaded


def runtime(path: Path | None, config: Config | None) -> list[Check]:
    """Which runtimes this machine has, which variants lie beside the model, and which of them is used and why."""
    from edge.artefact.model import DEFAULT_PATH
    from edge.artefact.runtime import runtime_facts
    from edge.artefact.variants import family

    try:
        facts = runtime_facts(path, wanted_runtime(config))
        variants = ", ".join(artefact.variant.name for artefact in family(path or DEFAULT_PATH))
    except LaennecError as error:
        return [fail("runtime", str(error), AGAIN)]
    is_idle = bool(facts.missing) and (facts.gpu is not None or JETSON.exists())
    has = [f"onnxruntime {facts.onnxruntime}"]
    has += [f"TensorRT {facts.tensorrt}"] * bool(facts.tensorrt)
    has += [f"{facts.gpu.name}, compute capability {facts.gpu.compute_capability}"] if facts.gpu else []
    cause = "no NVIDIA GPU here" if facts.missing and not is_idle else facts.cause
    found = f"{facts.variant} in {facts.runtime} ({cause}); has {', '.join(has)}"
    if is_idle:  # not what the owner wants
        return [ok("variants", variants), warn("runtime", found, facts.missing)]
    return [ok("variants", variants), ok("runtime", found)]


def wanted_runtime(config: Config | None) -> RuntimeName:
    """What the settings ask for."""
    return "auto" if config is None else config.runtime
