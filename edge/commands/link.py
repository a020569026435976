"""`laennec link`: a simulated device, a live table of devices, recording and replay of their packets."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from edge.commands import EXIT_MISTAKE, JsonlOption, stop_on_signals
from edge.errors import ConfigError

app = typer.Typer(help="Devices on a serial port, UDP or BLE: simulate, watch, record, replay.", no_args_is_help=True)

LONGEST_S = 31_536_000.0  # a year; an endless time, or 1e300 s, is no number of nanoseconds

SerialOption = Annotated[list[str] | None, typer.Option("--serial", help="A port: its path, or usb:VID:PID[:SERIAL].")]
UdpOption = Annotated[
    str | None, typer.Option("--udp", metavar="HOST:PORT", help="Address of this machine and UDP port to listen on.")
]
BleOption = Annotated[list[str] | None, typer.Option("--ble", metavar="ADDRESS", help="A bonded device over BLE.")]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="Settings (YAML) with a section `link`.")]
SecondsOption = Annotated[
    float | None,
    typer.Option("--seconds", min=0.1, max=LONGEST_S, help="Stop after this time, in seconds; default: Ctrl-C."),
]
BaudOption = Annotated[int | None, typer.Option("--baud", help="Speed of serial ports, bits per second; not for USB.")]


@app.command(
    short_help="Play sound files as a device would.",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def simulate(context: typer.Context) -> None:
    """Play sound files as a device would, over a pty (its name is printed) or --udp HOST:PORT.

    Without a file the bundled synthetic recording is played. Needs a C compiler.
    """
    from edge.commands.link_simulation import recordings, simulator

    program = simulator()
    with TemporaryDirectory(prefix="laennec-link-") as folder, stop_on_signals() as stop:
        command = [str(program), *recordings(context.args, Path(folder))]
        with subprocess.Popen(command, start_new_session=True) as device:
            while device.poll() is None:
                if stop.wait(0.1):
                    device.terminate()
                    device.wait()
        if device.returncode:
            raise typer.Exit(abs(device.returncode))


@app.command(short_help="Show a live table of devices.")
def monitor(
    serial: SerialOption = None,
    udp: UdpOption = None,
    ble: BleOption = None,
    config: ConfigOption = None,
    seconds: SecondsOption = None,
    baud: BaudOption = None,
    jsonl: JsonlOption = False,
) -> None:
    """Show a live table of the devices whose packets arrive; no detector runs.

    "packets lost": since the start. "audio lost" and "audio masked": of the last 10 s; masked sound is not used, for
    any cause (lost, clipped, no contact). "contact": with the skin, 0 to 254. "idle": since the last packet. A dash
    is a number that is not known. Exit code 2 if no packet came.
    """
    section = _section(serial, udp, ble, config, baud)
    with stop_on_signals() as stop:
        _watch(section, None, seconds, jsonl, stop)


@app.command(short_help="Record received packets to a file.")
def record(  # noqa: PLR0913 - the options of the command
    file: Annotated[Path, typer.Argument(help="The file to create.", readable=False)],
    serial: SerialOption = None,
    udp: UdpOption = None,
    ble: BleOption = None,
    config: ConfigOption = None,
    seconds: SecondsOption = None,
    baud: BaudOption = None,
    jsonl: JsonlOption = False,
) -> None:
    """Record all received bytes with their times to a file, and show the table of `monitor` meanwhile."""
    section = _section(serial, udp, ble, config, baud)
    with stop_on_signals() as stop:
        _watch(section, file, seconds, jsonl, stop)


@app.command(short_help="Show the table of a recorded file.")
def replay(
    file: Annotated[Path, typer.Argument(help="A file of laennec link record.", readable=False)],
    jsonl: JsonlOption = False,
) -> None:
    """Show the table at the end of a recorded file; `link.capture` in the settings plays it to `laennec run`."""
    from edge.commands import link_watch as watch
    from edge.commands.link_table import as_line, rows, table

    with stop_on_signals() as stop:
        report, now_ns, wall_s = watch.replay(file, None, stop)
    if jsonl:
        for row in rows(report, now_ns):
            print(as_line(row, wall_s))
    else:
        print(table(report, now_ns) or "no packet of a device in this capture")


def _section(
    serial: list[str] | None, udp: str | None, ble: list[str] | None, config: Path | None, baud: int | None
) -> Any:
    """The settings of the links, from a file or from the command line; the latter accepts every device."""
    from edge.settings.node import load_config, parse_config

    if config is not None:
        if serial or udp or ble:
            raise ConfigError("--config says how devices are connected; leave out --serial, --udp and --ble")
        section = load_config(config).link
        if section is None:
            raise ConfigError(f"{config}: has no section `link`")
        return section
    if not (serial or udp or ble):
        raise ConfigError("nothing to listen to: give --serial PORT, --udp HOST:PORT, --ble ADDRESS, or --config FILE")
    link: dict[str, Any] = {"serial": [{"port": port, **({"baud": baud} if baud else {})} for port in serial or ()]}
    if udp is not None:
        host, _, port = udp.rpartition(":")
        if not host:
            raise ConfigError(f"--udp {udp!r}: expected HOST:PORT, such as 127.0.0.1:7355")
        link["udp"] = {"bind": host, "port": port}
    link["ble"] = [{"address": address} for address in ble or ()]
    return parse_config({"streams": [{"id": "none", "source": "none"}], "link": link}, "command line").link


def _watch(section: Any, capture: Path | None, seconds: float | None, jsonl: bool, stop: threading.Event) -> None:
    import logging

    from edge.commands.link_table import HEAD, now_line, refusals, table
    from edge.commands.link_watch import LinkWatch, WatchOptions
    from edge.log import RateLimitedLog, setup
    from edge.sources.link_opening import open_links, open_receiver, warm_up

    setup()
    warm_up()  # before the port is opened: what arrives while kernels are compiled overflows it
    logger = logging.getLogger("edge.link")
    repeats = RateLimitedLog(logger)
    is_live, has_head = sys.stdout.isatty() and not jsonl, jsonl

    def show(report: Any, now_ns: int, warnings: Any) -> None:
        nonlocal has_head
        if is_live:
            shown = "\n".join(filter(None, (table(report, now_ns), *warnings.current)))
            print(f"\x1b[H\x1b[J{shown}", flush=True)
            return
        if report.devices and not has_head:
            has_head = True
            print(HEAD)
        for line in (*now_line(report, now_ns, jsonl), *(() if jsonl else warnings.new)):
            print(line, flush=True)
        if not jsonl:
            return
        for line in warnings.new:
            logger.warning("%s", line)  # on stderr: each line of the output is a stream
        if refused := refusals(report):
            repeats.log("refused", refused)

    receiver = open_receiver(section)
    LinkWatch(open_links(section), receiver, WatchOptions(seconds, capture), show).run(stop)
    if not receiver.report().devices:
        raise typer.Exit(EXIT_MISTAKE)
