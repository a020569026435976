"""A box below a folder, stand-ins for Laennec to put on it, and the broker of a ward: those of tests of one module."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.commands.demo_broker import Broker
from tests.deploy import conftest as deploy

fast_folder, standin, box, jetson, made = deploy.fast_folder, deploy.standin, deploy.box, deploy.jetson, deploy.made


@pytest.fixture(scope="module")
def running(made: Path) -> Iterator[Broker]:
    lines = [line for line in (made / "mosquitto.conf").read_text().splitlines() if not line.startswith("listener")]
    lines += ["user root"] * (os.geteuid() == 0)  # it would go to a user who cannot read this test's folder
    with Broker("mosquitto", settings="\n".join(lines)) as broker:
        yield broker
