"""The demo: a broker, the real `laennec run` in a process of its own, and a client that prints what arrives.

Not a test of accuracy: nothing is compared with what is known of the recording. The client knows nothing of the
detector but the MQTT contract.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edge.commands.demo_broker import Broker, choose
from edge.errors import SourceError

TOPICS = "laennec/v1/+/+/s/+/event"
NODE, BED = "demo", "bed1"
CONNECT_S = 30.0  # amqtt on a busy board
HEAD = f"{'time':>8}  {'sound':<15} {'score':>5}  {'bed':<10} {'lasted':>7}"


def run_demo(
    fast: bool, is_manikin: bool, broker_name: str, model: tuple[Path | None, str | None], stop: threading.Event
) -> int:
    """Run the demo on this terminal.

    Args:
        fast: as fast as it goes instead of in real time.
        is_manikin: play the clip of a manikin instead of the synthetic recording.
        broker_name: `mosquitto`, `amqtt` or `auto`.
        model: artefact and runtime, each None for the default.
        stop: ends it early.

    Returns:
        Exit code of the detector.

    Raises:
        ConfigError: no such broker.
        SourceError: the broker does not start or does not answer.
    """
    from edge.sources.file_search import DEMO_AUDIO, MANIKIN_AUDIO, MANIKIN_CREDIT

    audio, what = DEMO_AUDIO, "synthetic: computed breath sound with wheezes and crackles, not a patient"
    if is_manikin:
        audio, what = MANIKIN_AUDIO, f"of {MANIKIN_CREDIT}"
    kind = choose(broker_name)
    with Broker(kind) as broker, tempfile.TemporaryDirectory(prefix="laennec-demo-") as folder:
        version = "MQTT 5" if kind == "mosquitto" else "MQTT 3.1.1 only: no message expiry, no will delay"
        print(f"The recording is {what}.")
        print(f"broker: {kind} on 127.0.0.1:{broker.port} ({version})")
        arrivals = _subscribe(broker.port)
        print(f"detector: laennec run, {'as fast as it goes' if fast else 'in real time'}\n\n{HEAD}", flush=True)
        command = [sys.executable, "-m", "edge", "run", "--source", str(audio), "--stream", BED]
        command += ["--node", NODE, "--port", str(broker.port), "--outbox", str(Path(folder) / "outbox.db")]
        command += ["--fast"] * fast
        for option, value in zip(("--model", "--runtime"), model, strict=True):
            named = value.absolute() if isinstance(value, Path) else value  # `light` alone would be the bundled one
            command += [option, str(named)] if value else []
        return _print_events(command, Path(folder) / "log", arrivals, stop)


def row(event: dict[str, Any]) -> str:
    """One event message as a row: onset in the recording, class, score, bed, and duration if it is over."""
    rate, onset, end = event["sample"]["rate"], event["sample"]["onset"], event["sample"]["end"]
    minutes, seconds = divmod(onset / rate, 60)
    lasts = "lasts" if event.get("type") == "update" else "begins"
    lasted = event.get("end_reason", lasts) if end is None else f"{(end - onset) / rate:5.2f} s"
    sound = event["label"].replace("_", " ")
    score, bed = event["scores"]["peak"], event["stream"]
    return f"{minutes:02.0f}:{seconds:05.2f}  {sound:<15} {score:5.2f}  {bed:<10} {lasted:>7}"


def _subscribe(port: int) -> queue.SimpleQueue[dict[str, Any]]:
    """Events from an ordinary MQTT 3.1.1 client, as any dashboard has one."""
    arrivals: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    ready = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="laennec-demo-viewer", protocol=paho.MQTTv311)

    def on_connect(*_: object) -> None:
        client.subscribe(TOPICS, qos=1)

    client.on_connect = on_connect
    client.on_subscribe = lambda _c, _u, _m, _r, _p: ready.set()
    client.on_message = lambda _c, _u, message: arrivals.put(json.loads(message.payload))
    client.connect("127.0.0.1", port)
    client.loop_start()
    if not ready.wait(CONNECT_S):
        raise SourceError(f"the broker on port {port} did not answer a subscription within {CONNECT_S:.0f} s")
    return arrivals


def _print_events(
    command: list[str], log: Path, arrivals: queue.SimpleQueue[dict[str, Any]], stop: threading.Event
) -> int:
    """Print arrivals until the detector ends; then its summary, or its log if it failed."""
    seen: set[tuple[str, int]] = set()
    with log.open("wb") as errors, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as child:
        try:
            while child.poll() is None and not stop.is_set():
                _print_next(arrivals, seen)
        finally:
            child.terminate()
            summary = (child.stdout.read() if child.stdout else "").strip()
            code = child.wait()
    while _print_next(arrivals, seen):
        pass
    for line in log.read_text(errors="replace").splitlines():
        if code != 0 or " WARNING " in line:  # such as: the broker supports 3.1.1 only
            print(line, file=sys.stderr)
    print(f"\n{summary}", flush=True)
    return code


def _print_next(arrivals: queue.SimpleQueue[dict[str, Any]], seen: set[tuple[str, int]]) -> bool:
    try:
        event = arrivals.get(timeout=0.2)
    except queue.Empty:
        return False
    if (key := (event["id"], event["rev"])) not in seen:  # at least once: a copy may come
        seen.add(key)
        print(row(event), flush=True)
    return True
