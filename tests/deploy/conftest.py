"""A box below a folder, and stand-ins for Laennec to put on it."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest

from deploy.box.examine import Facts, facts
from deploy.box.layout import LISTING, BoxLayout
from deploy.box.service import Health, Process
from deploy.devices import DeployError
from deploy.release import Software, read
from deploy.remote import Local, Target, send_command
from deploy.tools import PROJECT
from tests.deploy.mosquitto_setup import setup
from tests.deploy.standin import write_wheel

CONFIG = "config: first\n"
# As it is, but it waits a second at most, and does not pause for long.
RUN = (PROJECT / "deploy/box/run.sh").read_text().replace("--wait 10", "--wait 1").replace("sleep 5", "sleep 0.3")


def until(holds: Callable[[], bool], what: Callable[[], object]) -> None:
    """Wait for it; `what` was found instead is said after three minutes."""
    until_s = time.monotonic() + 180
    while not holds():
        assert time.monotonic() < until_s, what()
        time.sleep(0.02)


@lru_cache
def _python() -> str:
    return facts(BoxLayout("/")).pythons[0].path  # asks every interpreter of this machine


@dataclass(frozen=True)
class House:
    """A folder of wheels that were made elsewhere, and what is deployed of it."""

    folder: Path
    software: Software


@dataclass(frozen=True)
class Box:
    """One root, and what a test does with it."""

    layout: BoxLayout
    house: Callable[..., House]

    @property
    def target(self) -> Target:
        return Target(Local(), str(self.layout.root))

    def request(self, house: House, config: str | None = CONFIG) -> dict[str, object]:
        """What `install` is asked with."""
        undo = (PROJECT / "deploy/box/undo.sh").read_text()
        files = {"run.sh": RUN, "undo.sh": undo, LISTING: house.software.listing()}
        if config is not None:
            files["ward.yaml"] = config
        return {
            "version": house.software.version,
            "python": _python(),
            "files": files,
            "system_site": False,
            "hold_s": 0.0,
        }

    def install(self, behaviour: str = "well", config: str | None = CONFIG, payload: int = 0, **more: object) -> str:
        """Deploy a stand-in; the name of its release."""
        house = self.house(behaviour, payload)
        request = {**self.request(house, config), **more}
        return str(send_command(self.target, "install", house.software.parts, **request)["running"])

    def command(self, house: House, config: Path, *more: str) -> list[str]:
        """What `make deploy` runs to bring a stand-in to this root."""
        line = [sys.executable, "-m", "deploy", "install", "--device", "local", "--root", str(self.layout.root)]
        return [*line, "--wheelhouse", str(house.folder), "--config", str(config), *more]

    def refusal(self, behaviour: str, **options: object) -> DeployError:
        """Deploy a stand-in that is refused."""
        with pytest.raises(DeployError) as caught:
            self.install(behaviour, **{"hold_s": 60.0, **options})  # type: ignore[arg-type]
        return caught.value

    def rollback(self, release: str = "") -> str:
        """Go back, to that release or to the one before; the name of what runs."""
        return str(send_command(self.target, "rollback", release=release, hold_s=0.0)["running"])

    def health(self) -> Health:
        return Process(self.layout).health()

    def heard(self) -> str:
        """Behaviour of the stand-in that runs; empty: none does."""
        note = self.layout.run / "standin"
        pid, _, behaviour = (note.read_text() if note.exists() else "0 ").partition(" ")
        with suppress(OSError):  # of a process that ended, there is none or it is empty
            return behaviour if Path(f"/proc/{pid}/cmdline").read_bytes() else ""
        return ""

    def releases(self) -> list[str]:
        return sorted(path.name for path in self.layout.releases.glob("*"))


@pytest.fixture(scope="session")
def fast_folder() -> Iterator[Path]:
    """A folder in memory where there is one that programs may be run from: these tests bring every file to disk."""
    memory = Path("/dev/shm")
    usable = memory.is_dir() and os.access(memory, os.W_OK) and not os.statvfs(memory).f_flag & os.ST_NOEXEC
    folder = Path(tempfile.mkdtemp(prefix="laennec-test-", dir=memory if usable else None))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def standin(fast_folder: Path) -> Callable[..., House]:
    """Makes wheels of a stand-in."""

    def house(behaviour: str = "well", payload: int = 0) -> House:
        folder = fast_folder / f"house-{behaviour.replace(' ', '-')}-{payload}"
        if not folder.exists():
            write_wheel(folder, behaviour, payload)
        return House(folder, read(folder, fast_folder / "build"))

    return house


@pytest.fixture
def box(fast_folder: Path, standin: Callable[..., House]) -> Iterator[Box]:
    """An empty root; whatever runs below it is ended afterwards."""
    root = Path(tempfile.mkdtemp(prefix="root-", dir=fast_folder))
    layout = BoxLayout(str(root))
    yield Box(layout, standin)
    Process(layout).stop()
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def jetson() -> Facts:
    """What an Orin with JetPack 6.2 says of itself."""
    from deploy.box.examine import Python

    python = Python("/usr/bin/python3", "3.10.12", "10.3.0", True, True)
    return Facts(
        "aarch64",
        "Ubuntu 22.04.5 LTS",
        "NVIDIA Jetson Orin Nano Developer Kit",
        "36.4.3",
        "2.35",
        (python,),
        True,
        True,
        50_000,
        1_790_000_000.0,
        "",
        False,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A broker's folder: nodes, one known to Home Assistant, a reader, an ingester, staff who answer alarms or look."""
    folder = tmp_path_factory.mktemp("broker") / "laennec"
    steps = [("init", "localhost", "127.0.0.1"), ("node", "ward-b", "edge-7"), ("node", "ward-b", "edge-8")]
    steps += [("node", "ward-b", "edge-9", "home-assistant"), ("home-assistant", "ha", "acknowledge")]
    steps += [("reader", "board"), ("ingester", "db1")]
    for step in [
        *steps,
        ("staff", "nurse-2", "acknowledge", "pause"),
        ("staff", "nurse-3", "look"),
        ("staff", "nurse-4", "listen"),
    ]:
        done = setup(folder, *step)
        assert done.returncode == 0, done.stderr
    return folder
