"""The half of a deployment that runs on the box: one file, bare Python 3.10 or newer, standard library alone.

`deploy.session` sends this file down a pipe, then one line of JSON that asks for something, then the bytes of wheels;
what happens comes back as lines of JSON. Not for deciding whether this box may be deployed to (`deploy.devices`), and
not for keeping the service running (systemd, or `supervise.py` where a ROOT was given).

Below the root ("/" with systemd, else a folder that needs no rights):

    opt/laennec/current                 -> releases/0007-0.1.0-1a2b3c4d, the one thing that says what runs
    opt/laennec/releases/NAME/          venv/, laennec.service, supervise.py, ...; complete once release.json is there
    opt/laennec/wheels/                 what was sent, by name, each checked against its SHA-256
    opt/laennec/trial.json              there while a switch is not yet known to be good: what to go back to
    etc/laennec/ward.yaml, var/lib/laennec/    settings and events; they outlive every release

Invariant: every file that matters is written under another name, brought to disk, then renamed; so after a power cut
`current` names a complete release or none, and the next command mends the rest (`repair`).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

KEPT_RELEASES = 3
UNPACKED = 5  # an installed release takes this many times its wheels (measured: 4.1 with kernels, x86-64)
CHUNK = 1 << 20
READY_S = 120.0  # from start to READY=1: kernels are compiled, so this is opening devices, on a slow card
ORPHAN_S = 90.0  # how long a deployment whose workstation went away may still be settling
UNIT = "laennec.service"
COMPILE = "from edge.features import warm_up; warm_up()"
PYTHONS = ("python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10")
ASK_PYTHON = """
import importlib.metadata as m, importlib.util as u, json, sys
def version(name):
    try: return m.version(name)
    except m.PackageNotFoundError: return ""
print(json.dumps({"path": sys.executable, "version": "%d.%d.%d" % sys.version_info[:3], "tensorrt": version("tensorrt"),
                  "has_pyaudio": u.find_spec("pyaudio") is not None, "has_venv": u.find_spec("venv") is not None}))
"""


class Refusal(Exception):
    """What was expected, what was found and what to do, in one line."""


@dataclass(frozen=True)
class Python:
    """One interpreter of the box."""

    path: str
    version: str
    tensorrt: str
    """Version of its TensorRT module; empty: none."""
    has_pyaudio: bool
    has_venv: bool


@dataclass(frozen=True)
class Facts:
    """What a box is."""

    machine: str
    """As uname tells it: x86_64, aarch64, armv7l."""
    system: str
    """Name of the distribution."""
    board: str
    """Model of the device tree; empty on a PC."""
    l4t: str
    """NVIDIA's Jetson Linux release, such as 36.4.3; empty elsewhere."""
    glibc: str
    """Such as 2.35; empty where the C library is another."""
    pythons: tuple[Python, ...]
    """3.10 or newer, the system's first."""
    has_systemd: bool
    may_administrate: bool
    """Root, or sudo without a password."""
    free_mb: int
    clock_s: float
    """Wall clock, seconds since 1970."""
    running: str
    """Name of the release that is current; empty: none."""


@dataclass(frozen=True)
class Release:
    """What `release.json` holds; its presence makes a release complete."""

    name: str
    made_s: float
    """Wall clock, seconds since 1970."""
    python: str
    wheels: tuple[str, ...]
    """Names of files in the store that this release was made from."""


@dataclass(frozen=True)
class Trial:
    """What `trial.json` holds, from just before a switch until the new release is known to be good."""

    new: str
    old: str
    """Release to go back to; empty: there was none."""
    had_config: bool
    """Whether ward.yaml existed; it lies beside it as ward.yaml.before while the trial lasts."""


@dataclass(frozen=True)
class Health:
    """How the service is."""

    phase: str
    """starting, ready, waiting (to start again), or stopped."""
    failures: int = 0
    """Ends with an error since some time in the past; only differences mean anything."""
    words: str = ""
    """The service's own status, or why it ended."""
    is_asked: bool = True
    """Whether this tells of the start that was asked for last."""


class Place:
    """Every path, below one root."""

    def __init__(self, root: str) -> None:
        """`root`: "/" for the box as a whole, else a folder of one's own."""
        self.root = Path(root)
        self.base = self.root / "opt/laennec"
        self.releases, self.current, self.wheels = (self.base / name for name in ("releases", "current", "wheels"))
        self.trial, self.lock = self.base / "trial.json", self.base / "lock"
        self.config = self.root / "etc/laennec/ward.yaml"
        self.config_before = self.config.with_name("ward.yaml.before")
        self.state, self.cache = self.root / "var/lib/laennec", self.root / "var/cache/laennec"
        self.run = self.root / "run/laennec"
        self.log = self.root / "var/log/laennec/laennec.log"

    def running(self) -> str:
        """Name of the current release; empty: none."""
        return os.path.basename(os.readlink(self.current)) if self.current.is_symlink() else ""

    def complete(self) -> list[Release]:
        """Complete releases, the newest first."""
        found = [read_record(path, Release) for path in sorted(self.releases.glob("*/release.json"), reverse=True)]
        return [release for release in found if release is not None]

    def variables(self) -> dict[str, str]:
        """The environment in which a release is tried: the folders that the service will have."""
        folders = {"STATE_DIRECTORY": self.state, "CACHE_DIRECTORY": self.cache, "RUNTIME_DIRECTORY": self.run}
        return {**os.environ, "PYTHONUNBUFFERED": "1", **{name: str(path) for name, path in folders.items()}}


# Files that survive a power cut


def write_whole(path: Path, content: bytes) -> None:
    """Replace `path` by `content`: after a power cut either is there whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    with open(partial, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring renames within `folder` to disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_record(path: Path, kind: Any) -> Any:
    """The dataclass in a JSON file; None if it is not there or not one."""
    try:
        tree = json.loads(path.read_text())
        return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in tree.items()})
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def write_record(path: Path, record: Any) -> None:
    """What `read_record` reads."""
    write_whole(path, json.dumps(asdict(record), indent=1).encode())


def point(link: Path, target: str) -> None:
    """Make `link` a symbolic link to `target`, at once and for good."""
    fresh = link.with_name("." + link.name + ".new")
    with suppress(FileNotFoundError):
        fresh.unlink()
    fresh.symlink_to(target)
    os.replace(fresh, link)
    sync_folder(link.parent)


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


# What the workstation is told


class Wire:
    """Lines of JSON to the workstation; once it is gone, nothing."""

    def __init__(self, out: BinaryIO) -> None:
        """Write to `out`."""
        self._out: BinaryIO | None = out

    def send(self, **message: object) -> None:
        """One message."""
        if self._out is not None:
            try:
                self._out.write(json.dumps(message).encode() + b"\n")
                self._out.flush()
            except OSError:
                self._out = None

    @contextmanager
    def step(self, text: str) -> Iterator[list[str]]:
        """Tell that a step begins and, with how long it took, ends; yields a list for remarks."""
        began_s, remarks = time.monotonic(), list[str]()
        self.send(begin=text)
        yield remarks
        self.send(end=round(time.monotonic() - began_s, 1), remark="; ".join(remarks))


def die_with_parent() -> None:
    """In a new child: end when this program does, so that nothing goes on behind the next deployment's back."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def call(argv: Sequence[object], environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; what it printed is `stdout`, errors and all."""
    return subprocess.run(
        [str(each) for each in argv], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", preexec_fn=die_with_parent, check=False,
    )  # fmt: skip


def last_words(text: str, count: int = 3) -> str:
    """The end of what a program printed, in one line."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return " | ".join(lines[-count:]) or "it printed nothing"


# The service: two ways to run it


class Service(Protocol):
    """Who keeps the service running."""

    logs: str
    """Command that shows its log."""

    def restart(self) -> None:
        """Start what `current` names; stop what ran before."""

    def stop(self) -> None:
        """Stop it for good."""

    def health(self) -> Health:
        """How it is now."""

    def last_lines(self, count: int) -> str:
        """The end of its log."""


class Systemd:
    """The service as a unit of systemd."""

    logs = f"journalctl -u {UNIT}"

    def __init__(self, place: Place) -> None:
        """For the releases of `place`."""
        self._place = place
        self._unit = place.root / "etc/systemd/system" / UNIT

    def restart(self) -> None:
        """Install the unit and rules of the current release, then restart."""
        write_whole(self._unit, (self._place.current / UNIT).read_bytes())
        self._install_rules()
        self._systemctl("daemon-reload")
        self._systemctl("reset-failed", UNIT, may_fail=True)
        self._systemctl("enable", "--quiet", UNIT)
        self._systemctl("restart", "--no-block", UNIT)

    def _install_rules(self) -> None:
        rules = sorted(self._place.current.glob("*.rules"))
        for rule in rules:
            write_whole(self._place.root / "etc/udev/rules.d" / rule.name, rule.read_bytes())
        if rules and shutil.which("udevadm"):
            call(["udevadm", "control", "--reload"])
            call(["udevadm", "trigger", "--subsystem-match=sound", "--subsystem-match=tty"])

    def stop(self) -> None:
        """Stop, disable and remove the unit."""
        self._systemctl("disable", "--now", UNIT, may_fail=True)
        with suppress(FileNotFoundError):
            self._unit.unlink()
        self._systemctl("daemon-reload")

    def health(self) -> Health:
        """From `systemctl show`."""
        asked = "ActiveState,SubState,Result,NRestarts,StatusText,Job"
        shown = call(["systemctl", "show", UNIT, "-p", asked]).stdout
        found = dict(line.partition("=")[::2] for line in shown.splitlines())
        state = found.get("ActiveState", "")
        phases = {"active": "ready", "activating": "starting", "reloading": "starting", "deactivating": "starting"}
        phase = "waiting" if found.get("SubState") == "auto-restart" else phases.get(state, "stopped")
        result = found.get("Result", "success")
        is_asked = found.get("Job", "") in ("", "0")  # the job of a restart is done when READY=1 came
        words = found.get("StatusText") or (result if result != "success" else "")
        return Health(phase, int(found.get("NRestarts") or 0) if result != "success" else 0, words, is_asked)

    def last_lines(self, count: int) -> str:
        """From the journal."""
        return call(["journalctl", "-u", UNIT, "-n", count, "--no-pager", "-o", "cat"]).stdout

    @staticmethod
    def _systemctl(*argv: str, may_fail: bool = False) -> None:
        done = call(["systemctl", *argv])
        if done.returncode and not may_fail:
            raise Refusal(f"systemctl {' '.join(argv)} failed: {last_words(done.stdout)}")


class Supervised:
    """The service below a root of one's own, kept by `supervise.py`."""

    def __init__(self, place: Place) -> None:
        """For the releases of `place`."""
        self._place = place
        self.logs = f"tail -f {place.log}"

    def _pid(self) -> int:
        """The supervisor's process id; 0: none runs."""
        try:
            with open(self._place.run / "supervisor.lock", "a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return 0
        except FileNotFoundError:
            return 0
        except BlockingIOError:
            return int(self._state().get("supervisor", 0))

    def _state(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            return dict(json.loads((self._place.run / "state.json").read_text()))
        return {}

    def restart(self) -> None:
        """Tell the supervisor, or start one."""
        write_whole(self._place.run / "wanted", os.urandom(8).hex().encode())
        if pid := self._pid():
            os.kill(pid, signal.SIGHUP)
            return
        self._place.log.parent.mkdir(parents=True, exist_ok=True)
        with open(self._place.log, "ab") as log:
            subprocess.Popen(
                [self._place.current / "venv/bin/python", self._place.current / "supervise.py", self._place.root],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
            )  # fmt: skip

    def stop(self) -> None:
        """Stop the supervisor and with it the service."""
        if pid := self._pid():
            os.kill(pid, signal.SIGTERM)
        until_s = time.monotonic() + 15.0
        while self._pid() and time.monotonic() < until_s:
            time.sleep(0.05)

    def health(self) -> Health:
        """From what the supervisor wrote."""
        state = self._state()
        if not self._pid():
            return Health("stopped", words="no supervisor runs", is_asked=False)
        with suppress(OSError):
            wanted = (self._place.run / "wanted").read_text()
            is_asked = state.get("token") == wanted
            words = state.get("status") or state.get("last_end") or ""
            return Health(state.get("phase", "starting"), state.get("failures", 0), words, is_asked)
        return Health("starting", is_asked=False)

    def last_lines(self, count: int) -> str:
        """From its log."""
        with suppress(OSError):
            return "\n".join(self._place.log.read_text(errors="replace").splitlines()[-count:])
        return ""


# One deployment


@dataclass
class Session:
    """What every command needs: the place, who runs the service, and the wire."""

    place: Place
    service: Service
    wire: Wire
    is_settling: bool = False
    """Between the flip and its verdict: what was begun is ended even without a workstation."""
    remarks: list[str] = field(default_factory=list)

    def situation(self) -> str:
        """What the box runs now, in one line."""
        name = self.place.running()
        if not name:
            return "nothing is deployed"
        health = self.service.health()
        words = f": {health.words}" if health.words else ""
        return f"{name} is current and its service is {health.phase}{words}"


@contextmanager
def only_one(session: Session) -> Iterator[None]:
    """Hold the lock of this root; the kernel frees it when its holder ends, however it ends."""
    session.place.base.mkdir(parents=True, exist_ok=True)
    with open(session.place.lock, "a+") as lock:
        until_s = time.monotonic() + 2.0  # one that was killed just now still ends
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                lock.seek(0)
                holder = lock.read()
                if "orphan" in holder:
                    until_s = max(until_s, time.monotonic() + 1.0)
                elif time.monotonic() > until_s:
                    raise Refusal(
                        f"another deployment to this box is under way ({holder or 'just begun'}); "
                        "wait until it ends, or stop it, then try again"
                    ) from None
                time.sleep(0.1)
        note_holder(session)
        yield


def note_holder(session: Session, remark: str = "") -> None:
    """Say in the lock file who holds it."""
    begun = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    with open(session.place.lock, "w") as lock:
        lock.write(f"process {os.getpid()} {remark or 'since ' + begun + ' UTC'}")


def watch_workstation(session: Session, given: BinaryIO) -> None:
    """End this program when the workstation is gone, but a release that was flipped to is judged first."""

    def watch() -> None:
        while given.read(CHUNK):
            pass
        if session.is_settling:
            note_holder(session, "orphan: its workstation went away, it ends what it began")
        else:
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def repair(session: Session) -> None:
    """Mend what a killed deployment left: an unjudged switch, half releases, half files."""
    place = session.place
    trial = read_record(place.trial, Trial)
    if trial is not None:
        if place.running() == trial.new and session.service.health().phase == "ready":
            session.remarks.append(f"{trial.new} had been switched to and not yet judged; it is ready and stays")
            settle(session, trial)
        else:
            session.remarks.append(f"a switch to {trial.new} had been cut off; went back to {trial.old or 'nothing'}")
            go_back(session, trial)
    for stray in [place.base / ".current.new", *place.wheels.glob("*.part"), place.base / "trial.json.part"]:
        with suppress(FileNotFoundError):
            stray.unlink()
    for folder in place.releases.glob("*"):
        if not (folder / "release.json").exists():
            session.remarks.append(f"removed {folder.name}, which was not complete")
            shutil.rmtree(folder, ignore_errors=True)


def receive(session: Session, wanted: Sequence[dict[str, Any]], given: BinaryIO) -> int:
    """Fill the store of wheels with what it lacks; a file that was sent before is not sent again.

    Returns:
        How many bytes came.
    """
    store = session.place.wheels
    store.mkdir(parents=True, exist_ok=True)
    lacking = [each for each in wanted if not is_there(store / each["name"], each)]
    session.wire.send(want=[each["name"] for each in lacking])
    for each in lacking:
        partial, digest, left = store / (each["name"] + ".part"), hashlib.sha256(), each["size"]
        with open(partial, "wb") as file:
            while left:
                chunk = given.read(min(left, CHUNK))
                if not chunk:
                    raise Refusal(f"the workstation went away while {each['name']} was being copied; deploy again")
                digest.update(chunk)
                left -= file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        if digest.hexdigest() != each["sha256"]:
            raise Refusal(f"{each['name']} arrived damaged (SHA-256 {digest.hexdigest()[:12]}); deploy again")
        os.replace(partial, store / each["name"])
    sync_folder(store)
    return sum(each["size"] for each in lacking)


def is_there(path: Path, wanted: dict[str, Any]) -> bool:
    """Whether a file lies in the store as it should."""
    return path.is_file() and path.stat().st_size == wanted["size"] and digest_of(path) == wanted["sha256"]


def check_room(place: Place, wheels: Sequence[dict[str, Any]]) -> None:
    """Raises Refusal if the disk cannot hold another release."""
    lacking = sum(each["size"] for each in wheels if not (place.wheels / each["name"]).exists())
    need_mb = (lacking + UNPACKED * sum(each["size"] for each in wheels)) // 1_000_000 + 1
    free_mb = shutil.disk_usage(place.base).free // 1_000_000
    if free_mb < need_mb:
        raise Refusal(f"expected {need_mb} MB free for {place.base}, found {free_mb} MB; free some room on the box")


def install(session: Session, request: dict[str, Any], given: BinaryIO) -> dict[str, Any]:
    """Everything from wheels to a release that runs and is healthy, or the state before."""
    place, wire = session.place, session.wire
    with wire.step("looking after what is there") as remarks:
        repair(session)
        remarks += session.remarks
        check_room(place, request["wheels"])
    with wire.step("copying") as remarks:
        count = receive(session, request["wheels"], given)
        remarks.append(f"{count / 1e6:.1f} of {sum(each['size'] for each in request['wheels']) / 1e6:.1f} MB were new")
    watch_workstation(session, given)
    name = next_name(place, request["version"])
    folder = place.releases / name
    try:
        build(session, request, folder)
        return switch(session, name, request["hold_s"], request["files"].get("ward.yaml"))
    except BaseException:
        if place.running() != name:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def next_name(place: Place, version: str) -> str:
    """A name that sorts after all others."""
    numbers = [int(path.name[:4]) for path in place.releases.glob("[0-9][0-9][0-9][0-9]-*")]
    return f"{max(numbers, default=0) + 1:04d}-{version}"


def build(session: Session, request: dict[str, Any], folder: Path) -> None:
    """Make a complete release in `folder`, and try it there; nothing outside it changes."""
    wire, place, python = session.wire, session.place, request["python"]
    folder.mkdir(parents=True)
    for name, text in request["files"].items():
        (folder / name).write_text(text)
    own, laennec = folder / "venv/bin/python", folder / "venv/bin/laennec"
    with wire.step(f"making a virtual environment of {python}"):
        extra = ["--system-site-packages"] if request["system_site"] else []
        must([python, "-I", "-m", "venv", "--without-pip", *extra, folder / "venv"], "making a virtual environment")
    with wire.step("installing, offline and against hashes"):
        pip = next(place.wheels / each["name"] for each in request["wheels"] if each["name"].startswith("pip-"))
        must(
            [own, "-I", pip / "pip", "--isolated", "--disable-pip-version-check", "--no-cache-dir", "install", "--quiet",
             "--no-index", "--find-links", place.wheels, "--require-hashes", "--no-deps", "--only-binary=:all:",
             "--ignore-installed", "--root-user-action=ignore", "-r", folder / "requirements.lock"],
            "installing",
        )  # fmt: skip
    with wire.step("compiling the kernels, so that no start has to"):
        must([own, "-c", COMPILE], "compiling the kernels", place.variables())
    (folder / "demo.flac").symlink_to(next((folder / "venv").glob("lib/python3*/site-packages/edge/sources/demo.flac")))
    examine(session, folder, laennec)
    with wire.step("bringing it to disk"):
        os.sync()
        wheels = tuple(each["name"] for each in request["wheels"])
        write_record(folder / "release.json", Release(folder.name, time.time(), python, wheels))


def examine(session: Session, folder: Path, laennec: Path) -> None:
    """Let the new release say what it thinks of this box and these settings, before anything is switched."""
    place, environment = session.place, session.place.variables()
    given, config = folder / "ward.yaml", folder / "examined.yaml"
    text = (given if given.exists() else place.config).read_text()
    config.write_text(text.replace(f"{place.current}/", f"{folder}/"))  # as if it were current already
    for what, argv in (
        ("choosing the runtime by measuring (tune)", ["tune"]),
        ("asking the new release how it finds this box (doctor)", ["doctor", "--config", config]),
        ("letting it hear the bundled recording (self-test)", ["doctor", "--self-test"]),
    ):
        if call([laennec, argv[0], "--help"]).returncode:
            session.wire.send(note=f"this release has no `laennec {argv[0]}`: skipped")
            continue
        with session.wire.step(what) as remarks:
            said = must([laennec, *argv], f"laennec {' '.join(str(each) for each in argv)}", environment)
            remarks += [line.strip() for line in said.splitlines() if line.strip().lower().startswith("warn")]


def must(argv: Sequence[object], what: str, environment: dict[str, str] | None = None) -> str:
    """Run a step of a release; what it printed. Raises Refusal with its last words if it fails."""
    done = call(argv, environment)
    if done.returncode == 0:
        return done.stdout
    if os.strerror(errno.ENOSPC) in done.stdout:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    fails = [
        line.strip() for line in done.stdout.splitlines() if line.strip().startswith(("FAIL", "laennec:", "ERROR"))
    ]
    raise Refusal(f"{what} failed (exit code {done.returncode}): {' | '.join(fails) or last_words(done.stdout)}")


def switch(session: Session, name: str, hold_s: float, config: str | None = None) -> dict[str, Any]:
    """Make a complete release the current one and judge it; if it is not healthy, everything as before."""
    place, wire = session.place, session.wire
    session.is_settling = True
    trial = Trial(name, place.running(), place.config.exists())
    with wire.step(f"switching to {name}"):
        before = session.service.health()
        place.config.parent.mkdir(parents=True, exist_ok=True)
        if trial.had_config:
            write_whole(place.config_before, place.config.read_bytes())
        write_record(place.trial, trial)
        if config is not None:
            write_whole(place.config, config.encode())
        point(place.current, f"releases/{name}")
    try:
        with wire.step("restarting the service"):
            place.state.mkdir(parents=True, exist_ok=True)
            session.service.restart()
        with wire.step(f"waiting until it is ready, then healthy for {hold_s:.0f} s"):
            health = wait_until_healthy(session.service, before.failures, hold_s)
    except (Refusal, OSError) as error:
        said = last_words(session.service.last_lines(20))
        with wire.step(f"going back to {trial.old or 'nothing'}"):
            go_back(session, trial, wait=True)
        raise Refusal(f"{name} was not healthy: {error}; its last words: {said}") from None
    with wire.step("keeping it"):
        settle(session, trial)
    return {"running": name, "words": health.words, "logs": session.service.logs, "config": str(place.config)}


def wait_until_healthy(service: Service, failures: int, hold_s: float) -> Health:
    """Wait for READY=1, then watch.

    Raises:
        Refusal: not ready in time, or an end with an error meanwhile.
    """
    until_s, ready_s = time.monotonic() + READY_S, float("inf")
    while True:
        health = service.health()
        now_s = time.monotonic()
        if health.is_asked:
            if health.failures > failures:
                raise Refusal(f"expected it to run, found that it ended ({health.words})")
            if health.phase == "ready" and ready_s == float("inf"):
                ready_s = now_s
            if health.phase == "ready" and now_s - ready_s >= hold_s:
                return health
        if ready_s == float("inf") and now_s > until_s:
            raise Refusal(f"expected READY=1 within {READY_S:.0f} s, found it {health.phase}")
        time.sleep(0.1)


def settle(session: Session, trial: Trial) -> None:
    """The new release is good: forget the way back, and what is too old."""
    place = session.place
    with suppress(FileNotFoundError):
        place.trial.unlink()
    sync_folder(place.base)
    session.is_settling = False
    keep = [place.running(), trial.old]
    keep += [release.name for release in place.complete() if release.name not in keep]
    kept = [name for name in keep if name][:KEPT_RELEASES]
    for folder in place.releases.glob("*"):
        if folder.name not in kept:
            with suppress(FileNotFoundError):
                (folder / "release.json").unlink()  # first of all not complete any more
            shutil.rmtree(folder, ignore_errors=True)
    used = {wheel for release in place.complete() for wheel in release.wheels}
    for wheel in place.wheels.glob("*"):
        if wheel.name not in used:
            wheel.unlink()


def go_back(session: Session, trial: Trial, wait: bool = False) -> None:
    """Undo a switch: settings, link, service; the release that failed is removed if it is not older."""
    place = session.place
    if trial.had_config and place.config_before.exists():
        write_whole(place.config, place.config_before.read_bytes())
    elif not trial.had_config:
        with suppress(FileNotFoundError):
            place.config.unlink()
    was_flipped = place.running() == trial.new
    if trial.old:
        point(place.current, f"releases/{trial.old}")
        if was_flipped:
            session.service.restart()
    elif was_flipped:
        session.service.stop()
        place.current.unlink()
    place.trial.unlink()
    sync_folder(place.base)
    session.is_settling = False
    if trial.new > trial.old:
        with suppress(FileNotFoundError):
            (place.releases / trial.new / "release.json").unlink()
        shutil.rmtree(place.releases / trial.new, ignore_errors=True)
    if wait and trial.old and was_flipped:
        with suppress(Refusal):  # what it is like then is said in the last line
            wait_until_healthy(session.service, session.service.health().failures, 0.0)


# The other commands


def rollback(session: Session, request: dict[str, Any], given: BinaryIO) -> dict[str, Any]:
    """Switch to the release before the current one, or to the one that is named."""
    place = session.place
    with session.wire.step("looking after what is there") as remarks:
        repair(session)
        remarks += session.remarks
    watch_workstation(session, given)
    names, running = [release.name for release in place.complete()], place.running()
    wanted = request["release"] or next((name for name in names if name < running), "")
    if not running:
        raise Refusal("nothing is deployed here; run make deploy")
    if wanted not in names or wanted == running:
        raise Refusal(
            f"expected {'a release called ' + wanted if wanted else 'a release before ' + running}, found "
            f"{', '.join(names)} with {running} running; name another with RELEASE=..."
        )
    return switch(session, wanted, request["hold_s"])


def status(session: Session, _request: dict[str, Any], _given: BinaryIO) -> dict[str, Any]:
    """What runs, what else is there, and whether something was cut off."""
    place, health = session.place, session.service.health()
    trial = read_record(place.trial, Trial)
    return {
        "running": place.running(), "phase": health.phase, "words": health.words, "logs": session.service.logs,
        "releases": [release.name for release in place.complete()], "config": str(place.config),
        "has_config": place.config.exists(), "trial": trial.new if trial else "", "free_mb": shutil.disk_usage(existing(place.base)).free // 1_000_000,
    }  # fmt: skip


def logs(session: Session, request: dict[str, Any], _given: BinaryIO) -> dict[str, Any]:
    """The end of the service's log."""
    return {"text": session.service.last_lines(request["lines"]), "logs": session.service.logs}


def undeploy(session: Session, request: dict[str, Any], _given: BinaryIO) -> dict[str, Any]:
    """Stop the service and remove every release; settings and events stay, unless they too are to go."""
    place = session.place
    with session.wire.step("stopping the service"):
        session.service.stop()
    with session.wire.step("removing releases"):
        for gone in (place.current, place.trial):
            with suppress(FileNotFoundError):
                gone.unlink()
        for rule in place.releases.glob("*/*.rules"):
            with suppress(FileNotFoundError):
                (place.root / "etc/udev/rules.d" / rule.name).unlink()
        purged = (place.config.parent, place.state) if request["purge"] else ()
        for folder in (place.releases, place.wheels, place.run, place.cache, *purged):
            shutil.rmtree(folder, ignore_errors=True)
    return {"kept": [str(path) for path in (place.config.parent, place.state) if path.exists()]}


# What the box is


def probe(session: Session, _request: dict[str, Any], _given: BinaryIO) -> dict[str, Any]:
    """The facts."""
    return asdict(facts(session.place))


def facts(place: Place, system: Path = Path("/")) -> Facts:
    """What this box is.

    Args:
        place: where Laennec lies or would lie.
        system: root of the files that tell; another one for tests.
    """
    release = text_of(system / "etc/os-release")
    named = dict(line.partition("=")[::2] for line in release.splitlines())
    libc, version = platform.libc_ver()
    return Facts(
        machine=platform.machine(),
        system=named.get("PRETTY_NAME", platform.system()).strip('"'),
        board=text_of(system / "proc/device-tree/model").strip("\0\n "),
        l4t=l4t_of(text_of(system / "etc/nv_tegra_release")),
        glibc=version if libc == "glibc" else "",
        pythons=pythons(),
        has_systemd=(system / "run/systemd/system").is_dir(),
        may_administrate=os.geteuid() == 0 or call_quietly(["sudo", "-n", "true"]) == 0,
        free_mb=shutil.disk_usage(existing(place.base)).free // 1_000_000,
        clock_s=time.time(),
        running=place.running(),
    )


def text_of(path: Path) -> str:
    """The text of a small file; empty if there is none."""
    with suppress(OSError):
        return path.read_text(errors="replace")
    return ""


def l4t_of(text: str) -> str:
    """From `# R36 (release), REVISION: 4.3, GCID: ...` to 36.4.3."""
    words = text.replace(",", " ").split()
    if len(words) < 5 or not words[1].startswith("R") or "REVISION:" not in words:
        return ""
    return f"{words[1][1:]}.{words[words.index('REVISION:') + 1]}"


def pythons() -> tuple[Python, ...]:
    """The interpreters that could carry a release."""
    found: dict[str, Python] = {}
    for name in PYTHONS:
        path = shutil.which(name, path="/usr/bin:/usr/local/bin:" + os.environ.get("PATH", ""))
        if path is None:
            continue
        with suppress(OSError, ValueError, subprocess.SubprocessError):
            asked = subprocess.run([path, "-c", ASK_PYTHON], capture_output=True, text=True, timeout=20, check=True)
            each = Python(**json.loads(asked.stdout))
            if tuple(int(part) for part in each.version.split(".")) >= (3, 10):
                found.setdefault(os.path.realpath(each.path), each)
    return tuple(found.values())


def call_quietly(argv: Sequence[str]) -> int:
    """Exit code of a small program; 127 if there is none such."""
    try:
        return call(argv).returncode
    except OSError:
        return 127


def existing(path: Path) -> Path:
    """The nearest folder above that is there."""
    return next(each for each in [path, *path.parents] if each.exists())


Command = Callable[[Session, dict[str, Any], BinaryIO], dict[str, Any]]
READING: dict[str, Command] = {"probe": probe, "status": status, "logs": logs}
CHANGING: dict[str, Command] = {"install": install, "rollback": rollback, "undeploy": undeploy}


def main() -> None:
    """Answer the one request that stands on standard input."""
    given = sys.stdin.buffer
    request = json.loads(given.readline())
    os.umask(0o022)
    place = Place(request["root"])
    service: Service = Systemd(place) if request["systemd"] else Supervised(place)
    session = Session(place, service, Wire(sys.stdout.buffer))
    try:
        if request["command"] in READING:
            result = READING[request["command"]](session, request, given)
        else:
            with only_one(session):
                result = CHANGING[request["command"]](session, request, given)
        session.wire.send(result=result)
    except Refusal as error:
        session.wire.send(error=str(error), state=session.situation())
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        cure = "free some room there and deploy again" if full else "see to it and try again"
        session.wire.send(error=f"on the box: {error}; {cure}", state=session.situation())


if __name__ == "__main__":
    main()
