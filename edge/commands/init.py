"""`laennec init`: the first settings of a node, by six questions or by options, checked by the doctor."""

from __future__ import annotations

import shlex
import shutil
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.errors import ConfigError, LaennecError, SourceError
from edge.settings.first_ward import (
    NO_AGE,
    FirstBroker,
    FirstStream,
    address_of,
    age_of,
    box_source_of,
    check_options,
    first_ward,
    id_of,
    ids_of,
    name_of,
)
from edge.settings.names import LIVE

if TYPE_CHECKING:
    from edge.sources.capture_pipe import Device

BROKERS = (("127.0.0.1", 1883), ("127.0.0.1", 8883), ("homeassistant.local", 1883), ("mosquitto", 1883))
"""Where a broker may be that nobody named."""
LOOK_S = 1.5  # how long it may take to answer
WITH_TLS = 8883
ON_BOX, DEMO_ON_BOX = Path("/etc/laennec"), "/opt/laennec/current/demo.flac"  # as `make deploy` lays them


def init(  # noqa: PLR0913 - the options of the command
    output: Annotated[Path, typer.Option("-o", "--output", help="The settings to write (YAML).")] = Path("ward.yaml"),
    source: Annotated[
        list[str] | None, typer.Option(metavar="SOURCE", help="`mic`, `mic:DEVICE` or a sound file; or several.")
    ] = None,
    bed: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Name of the bed of each source; bed1, bed2 ...")
    ] = None,
    age: Annotated[str | None, typer.Option(help="Of the patients: 8 months, 4 years, adult; default unknown.")] = None,
    node: Annotated[str | None, typer.Option(help="Name of this box; default: its host name.")] = None,
    broker: Annotated[str | None, typer.Option(metavar="HOST[:PORT]", help="The MQTT broker.")] = None,
    user: Annotated[str | None, typer.Option(help="User at the broker; default: none.")] = None,
    password_file: Annotated[Path | None, typer.Option(help="File with its password.", readable=False)] = None,
    ca: Annotated[Path | None, typer.Option(help="Certificate authority of the broker (PEM): TLS.")] = None,
    site: Annotated[str, typer.Option(help="Name of the house or ward in MQTT topics.")] = "local",
    box: Annotated[
        bool, typer.Option("--box", help="For a box that `make deploy` reaches; it is not checked here.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over settings that are there.")] = False,
) -> None:
    """Write the first settings of a node and check them; what no option says is asked, where a terminal is.

    With --box its paths are those of the box, and what there is to bring there is said instead. Exit code 1 if a check
    fails.
    """
    from edge.settings.node import host_name, parse_config
    from edge.settings.yaml_file import parse_yaml

    if output.exists() and not force:
        raise ConfigError(f"{output} is there already; give another file with -o, or --force to write over it")
    if output.is_dir():
        raise ConfigError(f"-o {output}: is a folder; give a file, such as {output / 'ward.yaml'}")
    if not output.absolute().parent.is_dir():
        raise ConfigError(f"-o {output}: there is no folder {output.absolute().parent}; make it first")
    prompt = _prompts() if sys.stdin.isatty() and sys.stdout.isatty() else _takes_default
    options = {"--source": source, "--bed": bed, "--age": age, "--node": node, "--site": site, "--broker": broker}
    check_options({**options, "--user": user}, box, has_name=node is not None or prompt is not _takes_default)
    streams = _streams(prompt, source, bed, age, box)
    named = node or prompt("Name of this box", "box-1" if box else host_name(), id_of)
    where = _user(prompt, _broker(prompt, broker, ca, box), user, password_file, output)
    placed = _placed(where, lambda path, name: ON_BOX / name if box else _beside(path, output))
    text = first_ward(site, named, streams, placed)
    parse_config(parse_yaml(text, str(output)), str(output), output.parent)
    _write(output, text)
    if box:
        _print_how_to_send(where, output)
    else:
        raise typer.Exit(_checked(output))


def _write(output: Path, text: str) -> None:
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"-o {output}: cannot be written ({error.strerror}); give another file") from error
    print(f"\nwrote {output}\n")


Prompt = Callable[[str, str, Callable[[str], str]], str]
"""Question, default, what checks an answer -> the answer."""


def _prompts() -> Prompt:
    """Ask a person, again where the answer cannot be."""

    def prompt(question: str, default: str, check: Callable[[str], str]) -> str:
        def checked(text: str) -> str:
            try:
                return check(text.strip())
            except ValueError as error:
                raise typer.BadParameter(str(error)) from None

        return str(typer.prompt(question, default=default, value_proc=checked))

    return prompt


def _takes_default(_question: str, default: str, _check: Callable[[str], str]) -> str:
    return default


def _streams(
    prompt: Prompt, sources: list[str] | None, beds: list[str] | None, age: str | None, box: bool
) -> tuple[FirstStream, ...]:
    """One for each source."""
    chosen: list[tuple[str, int | None]]
    if box:
        answer = (
            None if sources else prompt("What to listen to (mic, mic:PART OF ITS NAME; demo)", "mic", box_source_of)
        )
        chosen = [(DEMO_ON_BOX if each == "demo" else each, None) for each in sources or [str(answer)]]
    else:
        chosen = [(_full(each), _channel(each)) for each in sources] if sources else _chosen(prompt)
    default = ", ".join(f"bed{number}" for number in range(1, len(chosen) + 1))
    question = "Name of its bed" if len(chosen) == 1 else "Names of their beds"
    names = beds or prompt(question, default, ids_of).split(", ")
    if len(names) != len(chosen):
        raise ConfigError(f"--bed: expected {len(chosen)}, one for each source, found {len(names)}")
    if len(set(names)) < len(names):
        raise ConfigError(f"--bed: each bed needs a name of its own, found {', '.join(names)}")
    given_age = age or prompt("Age of the patient (8 months, 4 years, adult)", NO_AGE, age_of)
    known = None if given_age == NO_AGE else given_age
    return tuple(
        FirstStream(name, source, channel, known) for name, (source, channel) in zip(names, chosen, strict=True)
    )


def _chosen(prompt: Prompt) -> list[tuple[str, int | None]]:
    """Sources, each with its channel: of the microphones that there are, or a file."""
    from edge.sources.file_search import DEMO_AUDIO

    found = _microphones()
    for device in found:
        print(f"  {device.index}  {device.name}")
    if not found and prompt is _takes_default:
        raise ConfigError("no microphone found, and no --source given: give --source FILE, or plug one in")
    default = next((str(each.index) for each in found if each.default), str(found[0].index) if found else "demo")
    also = "numbers of microphones, or a sound file" if found else "a sound file; demo: a synthetic recording"
    answer = prompt(f"What to listen to ({also})", default, lambda text: _known_sources(text, found))
    if answer == "demo":
        return [(str(DEMO_AUDIO), None)]
    by_number = {str(each.index): each for each in found}
    parts = [part.strip() for part in answer.split(",")]
    if all(part in by_number for part in parts):
        devices = [by_number[part] for part in parts]
        return [(source_of(each, found), 1 if each.channels > 1 else None) for each in devices]
    return [(_full(answer), _channel(answer))]


def _full(source: str) -> str:
    """A microphone as it is, a file by its full path: the settings may lie in another folder."""
    return source if source.partition(":")[0] in LIVE else str(Path(source).expanduser().absolute())


def _microphones() -> list[Device]:
    """Those that there are; why there are none is said."""
    from edge.sources.microphone import list_devices

    try:
        found = list_devices()
        why = "plug one in, or give a sound file now and change `source` later"
    except LaennecError as error:
        found, why = [], str(error)
    print("microphones:" if found else f"no microphone found: {why}")
    return found


def source_of(device: Device, others: list[Device]) -> str:
    """How the settings name a microphone: without the number that changes with each plug, where that is enough."""
    from edge.sources.capture_pipe import ALSA_NUMBER, choose

    lasting = ALSA_NUMBER.sub("", device.name)
    try:
        return f"mic:{lasting if choose(others, lasting) == device else device.name}"
    except SourceError:  # another one is called so too
        return f"mic:{device.name}"


def _channel(source: str) -> int | None:
    """The first channel of a file with several; None of any other source, and of a file that the doctor will refuse."""
    import soundfile

    path = Path(source).expanduser()
    try:
        return 1 if path.is_file() and soundfile.info(str(path)).channels > 1 else None
    except soundfile.LibsndfileError:
        return None


def _broker(prompt: Prompt, option: str | None, ca: Path | None, box: bool) -> FirstBroker:
    found = [] if option or box else _answering()
    if found:
        print(f"brokers: {', '.join(found)}")
    elif not option and not box:
        print("no broker found: `sudo apt install mosquitto` brings one to this machine")
    text = option or prompt("MQTT broker (HOST or HOST:PORT)", found[0] if found else "127.0.0.1", address_of)
    host, _, port = text.partition(":")
    has_tls = ca is not None or port == str(WITH_TLS)
    return FirstBroker(host, int(port or (WITH_TLS if has_tls else 1883)), has_tls, ca)


def _answering() -> list[str]:
    """Of `BROKERS` those that accept a connection."""
    found: list[str] = []

    def look(host: str, port: int) -> None:
        try:
            socket.create_connection((host, port), LOOK_S).close()
        except OSError:
            return
        found.append(f"{host}:{port}")

    looking = [threading.Thread(target=look, args=each, daemon=True) for each in BROKERS]  # a name may take long
    for thread in looking:
        thread.start()
    for thread in looking:
        thread.join(LOOK_S / len(looking) if found else LOOK_S)
    return [name for name in (f"{host}:{port}" for host, port in BROKERS) if name in found]


def _user(
    prompt: Prompt, broker: FirstBroker, option: str | None, password_file: Path | None, output: Path
) -> FirstBroker:
    """The same with its user; the password that a person types goes into a file of its own, for the owner alone."""
    name = option or prompt("User at the broker", "none", name_of)
    if name == "none":
        if password_file is not None:
            raise ConfigError(f"--password-file {password_file}: is nobody's; give --user, too, or leave it out")
        return broker
    if password_file is None and prompt is not _takes_default:
        password_file = _requested_password(output.absolute().with_name("mqtt-password"))
    return replace(broker, username=name, password_file=password_file)


def _requested_password(path: Path) -> Path | None:
    """The file with the password that a person types, or the one that is there; None: they typed none."""
    from edge.files import open_private

    if path.exists() and typer.confirm(f"{path.name} is there; is its password the one (n: write over it)", True):
        return path
    password = typer.prompt(
        "Its password (empty: from LAENNEC_MQTT_PASSWORD)", default="", hide_input=True, show_default=False
    )
    if not password:
        return None
    try:
        with open_private(path, "w", encoding="utf-8") as file:
            file.write(f"{password}\n")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); give -o another folder") from error
    return path


def _placed(broker: FirstBroker, place: Callable[[Path, str], Path]) -> FirstBroker:
    """The broker with its files as the settings name them, from their paths here and their names on a box."""
    ca = None if broker.ca is None else place(broker.ca, "ca.pem")
    return replace(
        broker,
        ca=ca,
        password_file=None if broker.password_file is None else place(broker.password_file, "mqtt-password"),
    )


def _print_how_to_send(broker: FirstBroker, output: Path) -> None:
    """The commands that bring settings, and before them what they name, to the box."""
    files = {"mqtt-password": broker.password_file, "ca.pem": broker.ca}
    carried = " ".join(f"{name}={path.expanduser().absolute()}" for name, path in files.items() if path is not None)
    print("send it from a clone, to a box that  make deploy  has reached:")
    for words in [f'credentials DEVICE=rpi HOST=user@box FILES="{carried}"'] if carried else []:
        print(f"  make {words}")
    print(f"  make configure DEVICE=rpi HOST=user@box CONFIG={shlex.quote(str(output.absolute()))}")


def _checked(output: Path) -> int:
    """Let the doctor look, and say how to start; the exit code."""
    from edge.commands.box import checked
    from edge.commands.doctor.examine import DoctorOptions

    code = checked(DoctorOptions(output))
    first = "first mend what says FAIL; then " if code else ""
    print(f"\n{first}start it:\n  {_program()} run --config {shlex.quote(str(output))}")
    return code


def _program() -> str:
    """What an operator types to run `laennec`."""
    beside = Path(sys.executable).with_name("laennec")
    if (on_path := shutil.which("laennec")) and Path(on_path).resolve() == beside.resolve():
        return "laennec"
    return shlex.quote(str(beside)) if beside.exists() else f"{shlex.quote(sys.executable)} -m edge"


def _beside(path: Path, output: Path) -> Path:
    """A path of the command line as the settings name it: relative paths there begin at their folder."""
    full, folder = path.expanduser().absolute(), output.absolute().parent
    return full.relative_to(folder) if full.is_relative_to(folder) else full


def _known_sources(text: str, found: list[Device]) -> str:
    numbers = {str(each.index) for each in found}
    if text == "demo" or Path(text).expanduser().is_file():
        return text
    if not all(part.strip() in numbers for part in text.split(",")):
        raise ValueError(f"{text!r} is no file" + (f", and no number of {', '.join(sorted(numbers))}" if found else ""))
    return text
