"""A kill, a full disk or two at once: the model store is as it was, or as it was to become."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from edge.errors import ConfigError
from tests.edge.signed_releases import Signer, active_id, leftovers


def test_everything_is_on_the_disk_before_it_has_its_name(signer: Signer, monkeypatch: pytest.MonkeyPatch) -> None:
    package, steps, fsync, rename, replace = signer.package("a"), list[str](), os.fsync, os.rename, os.replace

    def synced(handle: int) -> None:
        steps.append(Path(os.readlink(f"/proc/self/fd/{handle}")).name)
        fsync(handle)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", lambda *names: (steps.append("rename"), rename(*names)))
    monkeypatch.setattr(os, "replace", lambda *names: (steps.append("replace"), replace(*names)))
    release = signer.store().install(package)
    assert steps[:3] == ["manifest.json", "manifest.sig", "bed.onnx"]
    assert steps[3].startswith(".incoming-")
    assert steps[4:] == ["rename", "models"]
    steps.clear()
    signer.store().promote(release.sha256)
    assert steps == [".incoming-promoted", "replace", "models"]


def test_a_full_disk_is_told_and_leaves_the_old_one(signer: Signer, two: tuple[str, str]) -> None:
    package = signer.package("third", 2)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))  # as a full disk does: a write that fails midway
    try:
        with pytest.raises(ConfigError, match=r"models.path: .* cannot be written .*the active model stays"):
            signer.store().install(package)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert active_id(signer.store()) == two[1]
    assert not leftovers(signer.folder)


def test_a_store_that_the_service_may_not_write_is_still_read(signer: Signer) -> None:
    old = os.umask(0o077)
    try:
        release = signer.store().install(signer.package("a"))
        signer.store().promote(release.sha256)
    finally:
        os.umask(old)
    store = signer.folder / "models"
    modes = {path.name: path.stat().st_mode & 0o777 for path in (store, *store.rglob("[!.]*"))}
    assert {mode for name, mode in modes.items() if name in (release.sha256, "models")} == {0o755}
    assert {mode for name, mode in modes.items() if name not in (release.sha256, "models")} == {0o644}
