"""The respiratory rate of a bed of a whole node: retained, and as its schema says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.edge.conftest import SCHEMAS, Watcher, wait_for


def test_the_rate_of_a_bed_is_published_and_retained(watcher: Watcher, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.system.edge.node_under_test", str(watcher.port), str(tmp_path / "o.db")]
    node = subprocess.Popen([*command, "1e6", "fast"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        body = wait_for(lambda: watcher.bodies("/s/bed1/breath"), "a rate")[-1]
        late = Watcher(watcher.port)
        assert wait_for(lambda: late.bodies("/s/bed1/breath"), "the retained rate")
        late.close()
    finally:
        node.kill()
        node.communicate()
    SCHEMAS["laennec.breath/1"].validate(body)
    assert body["stream"] == "bed1"
    assert body["breaths_per_min"] is None
    assert body["why"], "noise bursts are no breath"
