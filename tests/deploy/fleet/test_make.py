"""What stands on the command line of make beside FLEET=: nothing is ignored in silence."""

from __future__ import annotations

import subprocess

import pytest

from deploy.tools import PROJECT


@pytest.mark.parametrize(
    ("target", "beside"),
    [
        ("deploy", "KEEP=5"),
        ("deploy", "CONFIG=ward.yaml"),
        ("deploy", "HOST=user@box"),
        ("deploy", "FORCE=1"),
        ("configure", "HEALTHY_S=5"),
        ("model", "MODEL=a.model"),
        ("credentials", "FILES=ca.pem=ca.pem"),
        ("rollback", "RELEASE=0001-a"),
        ("status", "ARGS=--json"),
    ],
)
def test_what_is_of_one_box_is_refused_beside_a_fleet(target: str, beside: str) -> None:
    line = ["make", target, "FLEET=fleet.yaml", beside]
    done = subprocess.run(line, cwd=PROJECT, capture_output=True, text=True, check=False)
    name = beside.split("=")[0]
    assert done.returncode == 2
    assert f"{name}= is of one box and would be ignored beside FLEET=" in done.stderr
    assert len(done.stderr.splitlines()) == 1
