"""`laennec bench` plays the beds that it is asked for, with each variant that runs here."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edge.commands.box import HEAD
from edge.model.model import DEFAULT_PATH, LIGHT_PATH
from tests.conftest import HANGS_S


@pytest.mark.rest  # twenty seconds of sound in real time
def test_each_variant_has_a_row_of_what_was_measured() -> None:
    command = [sys.executable, "-m", "edge", "bench", "--beds", "2", "--seconds", "1", "--runtime", "onnxruntime"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANGS_S, check=True)
    head, *rows = done.stdout.splitlines()
    assert head == HEAD
    variants = [(path.stem, "fp32") for path in (DEFAULT_PATH, LIGHT_PATH) if path.exists()]
    variants.append(("default", "cpu-int8"))
    assert sorted(row.split()[:3] for row in rows) == sorted([*each, "2"] for each in variants)
    assert all(len(row.split("  TOO MANY")[0]) == len(HEAD) for row in rows)
    output = [line for line in done.stderr.splitlines() if 'cause="overload"' not in line]  # a machine may be busy
    assert output == []
