"""The model and what runs it: seal, metadata, variants in its folder, the runtime that was chosen.

Not for how well it detects (`training.evaluation`) or whether it does at all (`edge.doctor.self_test`).
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
REPAIR = "copy or export it again, or name another model"


def chosen(named: Path | None, config: Config | None) -> tuple[Path | None, list[Check]]:
    """The artefact that a run would use, and a check of the active release if it is one of the model store."""
    if named is not None or config is None or config.model is not None:
        return named or (config.model if config is not None else None), []
    from edge.releases.model_store import active_model

    try:
        path = active_model(config)
    except LaennecError as error:
        return None, [fail("release", str(error), "as it says; until then the node does not start")]
    active = [] if path is None else [ok("release", f"{path.parent.name[:12]} is active: {path}")]
    return path, active


def model(path: Path | None, config: Config | None) -> tuple[Check, Model | None]:
    """Load the artefact as a run would, which checks its seal, its metadata and its graph."""
    from edge.artefact.runtime import open_model
    from edge.settings.config import check_classes

    try:
        loaded = open_model(path, configured_runtime(config))
    except LaennecError as error:
        return fail("model", str(error), REPAIR), None
    try:
        if config is not None:
            check_classes(config, loaded)
    except ConfigError as error:
        return fail("model", str(error), "change the configuration, or name another model"), loaded
    found = f"{loaded.id}, sha256 {loaded.sha256[:12]}, features {loaded.features_sha256[:12]}, {loaded.runtime}"
    return ok("model", found), loaded


def runtime(path: Path | None, config: Config | None) -> list[Check]:
    """Which runtimes this machine has, which variants of the model are there, and which of them is used and why."""
    from edge.artefact.model import DEFAULT_PATH
    from edge.artefact.runtime import runtime_facts
    from edge.artefact.variants import find_variants

    try:
        facts = runtime_facts(path, configured_runtime(config))
        variants = ", ".join(artefact.variant.name for artefact in find_variants(path or DEFAULT_PATH))
    except LaennecError as error:
        return [fail("runtime", str(error), REPAIR)]
    is_unused = bool(facts.missing) and (facts.gpu is not None or JETSON.exists())
    has = [f"onnxruntime {facts.onnxruntime}"]
    has += [f"TensorRT {facts.tensorrt}"] * bool(facts.tensorrt)
    has += [f"{facts.gpu.name}, compute capability {facts.gpu.compute_capability}"] if facts.gpu else []
    found = f"{facts.variant} in {facts.runtime} ({facts.cause}); has {', '.join(has)}"
    if is_unused:  # a GPU that does nothing is not what the owner wants
        return [ok("variants", variants), warn("runtime", found, facts.missing)]
    return [ok("variants", variants), ok("runtime", found)]


def configured_runtime(config: Config | None) -> RuntimeName:
    """The runtime of the settings; `auto` without any."""
    return "auto" if config is None else config.runtime
