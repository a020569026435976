"""What tests share."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
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
LEFT_OUT = pytest.StashKey[int]()
HANGS_S = 1800  # a command that runs longer hangs: one takes seconds, and minutes where many share a processor
WORKSTATION = ("training", "export")
too_old = ""
try:
    import training.python_version  # noqa: F401
except SystemExit as refused:  # a Python for the device alone
    too_old = str(refused)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out what this Python is too old for."""
    rooms = [Path(__file__).parent / kind / name for kind in ("", "system") for name in WORKSTATION]
    return True if too_old and {collection_path, *collection_path.parents} & {*rooms} else None


@pytest.hookimpl(tryfirst=True)  # before pytest looks at the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What `needs` a Debian package is of the rest, and skipped without it."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    for item in items:
        needed = [program for mark in item.iter_markers("needs") for program in mark.args]
        missing = [program for program in needed if shutil.which(program, path=path) is None]
        if needed:
            item.add_marker(pytest.mark.rest)
        if missing:
            install = f"apt-get install {' '.join(PACKAGES[program] for program in missing)}"
            item.add_marker(pytest.mark.skip(f"not on this machine: {', '.join(missing)}; {install}"))


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Count them; xdist's workers tell their count at their end."""
    if items:  # pytest's --last-failed may leave out none
        stash = items[0].config.stash
        stash[LEFT_OUT] = stash.get(LEFT_OUT, 0) + len(items)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that started this one, if one did."""
    if (reported := getattr(session.config, "workeroutput", None)) is not None:
        reported["left_out"] = session.config.stash.get(LEFT_OUT, 0)


@pytest.hookimpl(optionalhook=True)  # of xdist, which `make test-gpu` does without
def pytest_testnodedown(node: Any) -> None:
    """Every process collects all tests, so one count is enough."""
    node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get("left_out", 0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was left out where everybody looks."""
    if (other := OTHER_PART.get(config.option.markexpr)) is not None:
        terminalreporter.write_line(f"left out: {config.stash.get(LEFT_OUT, 0)} {other}")
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
