"""A release in a few kilobytes: what `deploy.box` sees of Laennec, without what makes it slow to install.

Not Laennec: `test_deploy_local.py` deploys the real one. The stand-in notifies as the real one does.
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path

PROGRAM = """
import hashlib, json, os, shutil, signal, socket, sys, time
from contextlib import suppress
from pathlib import Path
BEHAVIOUR = {behaviour!r}

def tell(text):
    address = os.environ.get("NOTIFY_SOCKET", "")
    with suppress(OSError):  # nobody listens any more
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.sendto(text.encode(), chr(0) + address[1:] if address[:1] == "@" else address)

def model(words):
    # The store of models: a folder for each, and the list of promotions, as the real one has it.
    store = Path(os.environ["STATE_DIRECTORY"], "models")
    lines = (store / "promoted").read_text().split() if (store / "promoted").exists() else []
    last = lines[-1] if lines else "bundled"
    if words[0] == "active":
        kind = "bundled" if last == "bundled" else "promoted"
        print(json.dumps({{"kind": kind, "id": last if lines else "b" * 64, "name": kind, "store": str(store)}}))
    elif words[0] == "install":
        content = Path(words[1]).read_bytes()
        if b"unsigned" in content:
            sys.exit("laennec: " + words[1] + ": expected manifest.json, found 'unsigned'")
        name = hashlib.sha256(content).hexdigest()
        (store / name).mkdir(parents=True, exist_ok=True)
        (store / name / "bed.onnx").write_bytes(content)
        print("installed " + name[:12] + ": a model")
    elif words[0] == "promote":
        found = [path.name for path in store.glob(words[1] + "*")] if words[1] != "bundled" else ["bundled"]
        if len(found) != 1:
            sys.exit("laennec: '" + words[1] + "': expected the first digits of one model id")
        (store / "promoted").write_text("".join(line + "\\n" for line in [*lines, found[0]]))
    elif words[0] == "prune":
        kept = lines[-int(words[2]):]
        for gone in [path for path in store.glob("*/") if path.name not in kept]:
            shutil.rmtree(gone)
    sys.exit(0)

def hears(settings):
    # What settings and the active model make of it.
    promoted = Path(os.environ.get("STATE_DIRECTORY", "/nowhere"), "models/promoted")
    last = promoted.read_text().split()[-1:] if promoted.exists() else []
    path = promoted.with_name(last[0]) / "bed.onnx" if last else promoted
    return settings + (path.read_text() if path.exists() and last else "")

def main():
    command = sys.argv[1]
    if command == "model":
        model(sys.argv[2:])
    if command == "doctor":
        if BEHAVIOUR == "slow":
            time.sleep(600)  # until it is killed
        if BEHAVIOUR == "edits":
            Path(sys.prefix).parents[4].joinpath("etc/laennec/ward.yaml").write_text("edited\\n")
        if BEHAVIOUR == "replaces":
            settings = Path(sys.prefix).parents[4].joinpath("etc/laennec/ward.yaml")
            settings.with_name("other").write_text("edited\\n")
            settings.with_name("other").replace(settings)
        if BEHAVIOUR == "other spec":
            print("FAIL  model  expected a hop of 10 ms, found 20 ms; export it again")
        if "--config" in sys.argv and "deaf" in hears(Path(sys.argv[-1]).read_text()):
            print("FAIL  streams  no microphone of that name; run laennec devices")
            sys.exit(1)
        sys.exit(BEHAVIOUR == "other spec")
    if command != "run":
        sys.exit(0)
    print("runs", BEHAVIOUR, open(sys.argv[3]).read().strip(), flush=True)
    note = Path(os.environ.get("RUNTIME_DIRECTORY", "/nowhere"), "standin")
    if note.parent.exists():
        note.with_name("standin.new").write_text(f"{{os.getpid()}} {{BEHAVIOUR}}")
        note.with_name("standin.new").replace(note)
    signal.signal(signal.SIGTERM, lambda *_: (tell("STOPPING=1"), sys.exit(0)))
    if "sick" in hears(open(sys.argv[3]).read()):
        sys.exit("laennec: sick")
    if BEHAVIOUR == "ends":
        sys.exit("laennec: no microphone")
    while True:
        tell("READY=1\\nWATCHDOG=1\\nSTATUS=" + BEHAVIOUR)
        time.sleep(0.1 if BEHAVIOUR != "ends later" else 0.3)
        if BEHAVIOUR in ("ends soon", "ends later"):
            sys.exit("laennec: the disk is gone")
"""


WARM = """
import pathlib

def warm_up():
    with open(pathlib.Path(__file__).with_name("kernels"), "wb") as file:
        file.write(bytes({payload}))
"""
SETTINGS = """
from edge.errors import LaennecError

def load_config(path):
    if "sight" in path.read_text():
        raise LaennecError(f"{path}: unknown key 'sight'")
"""


def write_wheel(folder: Path, behaviour: str = "well", payload: int = 0, requires: tuple[str, ...] = ()) -> Path:
    """A wheel `laennec-0.0.1-...`, each behaviour with other bytes.

    Args:
        folder: where.
        behaviour: well, slow, other spec, edits or replaces (the settings, as an operator meanwhile), ends, ends soon,
            ends later; anything else is well under another name.
        payload: bytes of zeros that it writes as it is compiled.
        requires: what it says it needs (PEP 508).
    """
    folder.mkdir(parents=True, exist_ok=True)
    required = "".join(f"Requires-Dist: {each}\n" for each in requires)
    info = "laennec-0.0.1.dist-info"
    files = {
        "edge/__init__.py": b"",
        "edge/__main__.py": PROGRAM.format(behaviour=behaviour).encode(),
        "edge/detector/warm.py": WARM.format(payload=payload).encode(),
        "edge/errors.py": b"class LaennecError(Exception): pass\n",
        "edge/settings/node.py": SETTINGS.encode(),
        "edge/settings/board.py": SETTINGS.replace("load_config", "load_board").encode(),
        f"{info}/METADATA": ("Metadata-Version: 2.1\nName: laennec\nVersion: 0.0.1\n" + required).encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": b"[console_scripts]\nlaennec = edge.__main__:main\n",
    }
    lines = [f"{name},sha256={_digest(content)},{len(content)}\n" for name, content in files.items()]
    files[f"{info}/RECORD"] = ("".join(lines) + f"{info}/RECORD,,\n").encode()
    path = folder / "laennec-0.0.1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, content in files.items():
            wheel.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return path


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
