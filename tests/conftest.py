"""What tests share."""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from edge.commands import demo_broker as broker

with suppress(ImportError):  # `make test-gpu` does without
    from hypothesis import HealthCheck, settings

    settings.register_profile("any speed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("any speed")

if "PYTEST_XDIST_WORKER" in os.environ:  # one of several processes that share the cores; its children do as it does
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    worker, workers = os.environ["PYTEST_XDIST_WORKER"], int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    broker.PORTS = broker.PORTS[int(worker[2:]) :: workers]  # a port that is free for a while is no other's meanwhile

PACKAGES = {  # of Debian, by the program that a test `needs`
    "arm-none-eabi-g++": "gcc-arm-none-eabi libstdc++-arm-none-eabi-newlib",
    "arm-none-eabi-gcc": "gcc-arm-none-eabi",
    "avr-g++": "gcc-avr avr-libc arduino-core-avr",
    "clang": "clang",
    "g++": "g++",
    "mosquitto": "mosquitto",
    "mosquitto_passwd": "mosquitto",
    "openssl": "openssl",
    "pg_ctlcluster": "postgresql",
    "ssh": "openssh-client",
    "systemd-analyze": "systemd",
    "systemd-sysusers": "systemd",
    "udevadm": "udev",
}
OTHER_PART = {  # by the option -m of one command: what it leaves out
    "not rest": "tests of whole programs, of many seconds or with Debian packages; `make test-rest` runs them",
    "rest": "tests of `make test`",
}
LEFT_OUT = pytest.StashKey[tuple[int, int]]()
"""How many tests, and files that were not even imported: each process would need half a minute of a core for all."""
HERE = Path(__file__).parent
HANGS_S = 1800  # a command that runs longer hangs: one takes seconds, and minutes where many share a processor
WORKSTATION = ("training", "export")
too_old = ""
try:
    import training.python_version  # noqa: F401
except SystemExit as refused:  # a Python for the device alone
    too_old = str(refused)


@cache
def may_be_of_the_rest(path: Path) -> bool:
    """Whether a test of this file can be marked `rest`: it lies in tests/system, or its file or conftest says so."""
    folders = path.parents[: path.parents.index(HERE)]
    texts = [each.read_text() for each in (path, *(folder / "conftest.py" for folder in folders)) if each.is_file()]
    return HERE / "system" in folders or any(re.search(r"mark\.(rest|needs)|needs_", text) for text in texts)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what this Python is too old for, and files without a test of the part that is asked for."""
    rooms = [HERE / kind / name for kind in ("", "system") for name in WORKSTATION]
    if too_old and {collection_path, *collection_path.parents} & {*rooms}:
        return True
    if not re.fullmatch(r"test_.*\.py", collection_path.name) or config.option.markexpr not in OTHER_PART:
        return None
    if config.option.markexpr == "rest":
        other = not may_be_of_the_rest(collection_path)
    else:
        other = HERE / "system" in collection_path.parents
    _leave_out(config, files=int(other))
    return other or None


@pytest.hookimpl(tryfirst=True)  # before pytest looks at the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What `needs` a Debian package is of the rest, and skipped without it."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    for item in items:
        needed = [program for mark in item.iter_markers("needs") for program in mark.args]
        missing = [program for program in needed if shutil.which(program, path=path) is None]
        if needed:
            item.add_marker(pytest.mark.rest)
        if item.get_closest_marker("rest") and not may_be_of_the_rest(item.path):
            raise pytest.UsageError(f"{item.nodeid}: expected mark.rest or needs in its file or conftest")
        if missing:
            install = f"apt-get install {' '.join(PACKAGES[program] for program in missing)}"
            item.add_marker(pytest.mark.skip(f"not on this machine: {', '.join(missing)}; {install}"))


def _leave_out(config: pytest.Config, tests: int = 0, files: int = 0) -> None:
    before = config.stash.get(LEFT_OUT, (0, 0))
    config.stash[LEFT_OUT] = (before[0] + tests, before[1] + files)


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Count them; xdist's workers tell their count at their end."""
    if items:  # pytest's --last-failed may leave out none
        _leave_out(items[0].config, tests=len(items))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that started this one, if one did."""
    if (reported := getattr(session.config, "workeroutput", None)) is not None:
        reported["left_out"] = session.config.stash.get(LEFT_OUT, (0, 0))


@pytest.hookimpl(optionalhook=True)  # of xdist, which `make test-gpu` does without
def pytest_testnodedown(node: Any) -> None:
    """Every process collects all tests, so one count is enough."""
    node.config.stash[LEFT_OUT] = tuple(getattr(node, "workeroutput", {}).get("left_out", (0, 0)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was left out where everybody looks."""
    if (other := OTHER_PART.get(config.option.markexpr)) is not None:
        tests, files = config.stash.get(LEFT_OUT, (0, 0))
        terminalreporter.write_line(f"left out: {files} whole files and {tests} more {other}")
        if skipped := len(terminalreporter.stats.get("skipped", ())):
            terminalreporter.write_line(
                f"left out: {skipped} tests that this machine cannot run, for the reasons below"
            )
    if too_old:
        terminalreporter.write_line(f"not run: {', '.join(f'tests/{name}' for name in WORKSTATION)}; {too_old}")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real recordings, named by LAENNEC_DATA or beside the repository; the test is skipped without it."""
    folder = Path(os.environ.get("LAENNEC_DATA") or Path(__file__).parents[1] / ".." / "shared" / "data").resolve()
    if not (folder / "sprsound").is_dir():
        pytest.skip(f"no real recordings in {folder}; set LAENNEC_DATA to their folder")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_cached(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What `laennec bench` keeps for the user of this machine is not seen by tests, and theirs not by the user."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CACHE_DIRECTORY", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def _the_log_is_as_it_was() -> Iterator[None]:
    """A command that a test runs in this process sends the log to a stderr that is gone when the next test begins."""
    log = logging.getLogger("edge")
    handlers, level, propagate = log.handlers[:], log.level, log.propagate
    yield
    log.handlers[:], log.propagate = handlers, propagate
    log.setLevel(level)
