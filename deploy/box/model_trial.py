"""The way back from a change of the model: which one was active before, until the new one is known to be good.

    opt/laennec/model-trial/promoted   the list of promotions as it was; missing: there was none
    opt/laennec/model-trial/store      -> the folder of models, whose `promoted` it is

`undo.sh` reads both before a start that no deployment watches, and takes the folder away: it goes back once. Not for
changing the model (`model`), nor for what the list means (`edge.model.releases.promotions`). Invariant: the folder
appears and goes by a rename, so it is whole or not there.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from deploy.box.durable import point, remove, sync_disk, sync_folder, write_whole
from deploy.box.layout import BoxLayout

PROMOTED = "promoted"
HALVES = (".model-trial.new", ".model-trial.old")


def record_model(layout: BoxLayout, store: Path) -> None:
    """Keep the way back, and let the next start take it unless a deployment is at work.

    Args:
        layout: of the box.
        store: the folder of models.
    """
    forget_model(layout)
    draft = layout.base / HALVES[0]
    draft.mkdir()
    (draft / "store").symlink_to(store)
    if (store / PROMOTED).exists():
        write_whole(draft / PROMOTED, (store / PROMOTED).read_bytes(), like=store / PROMOTED)
    sync_disk(layout.base)
    os.rename(draft, layout.model_trial)
    sync_folder(layout.base)
    point(layout.before, f"releases/{layout.running()}")


def restore_model(layout: BoxLayout) -> None:
    """Make the model active again that was before."""
    kept, active = layout.model_trial / PROMOTED, (layout.model_trial / "store").resolve() / PROMOTED
    if kept.exists():
        write_whole(active, kept.read_bytes(), like=kept)
    else:
        remove(active)


def forget_model(layout: BoxLayout) -> None:
    """There is no way back any more, or it was taken."""
    if layout.model_trial.exists():
        shutil.rmtree(layout.base / HALVES[1], ignore_errors=True)
        os.rename(layout.model_trial, layout.base / HALVES[1])
        sync_folder(layout.base)
    for half in HALVES:
        shutil.rmtree(layout.base / half, ignore_errors=True)
