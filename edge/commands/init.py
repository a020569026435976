"""`laennec init`: the first settings of a node, by six questions or by options, checked by the doctor."""

from __future__ import annotations

import re
import shlex
import shutil
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.errors import ConfigError, LaennecError, SourceError
from edge.settings.section import LIVE

if TYPE_CHECKING:
    from edge.settings.first_ward import FirstBroker, FirstStream
    from edge.sources.capture_pipe import Device

BROKERS = (("127.0.0.1", 1883), ("127.0.0.1", 8883), ("homeassistant.local", 1883), ("mosquitto", 1883))
"""Where a broker may be that nobody named."""
LOOK_S = 1.5  # how long it may take to answer
WITH_TLS = 8883
NO_AGE = "unknown"


def init(  # noqa: PLR0913 - the options of the command
    output: Annotated[Path, typer.Option("-o", "--output", help="The settings to write (YAML).")] = Path("ward.yaml"),
    source: Annotated[
        list[str] | None, typer.Option(metavar="SOURCE", help="`mic`, `mic:DEVICE` or a sound file; or several.")
    ] = None,
    bed: Annotated[list[str] | None, typer.Option(help="Name of the bed of each source; bed1, bed2 ...")] = None,
    age: Annotated[str | None, typer.Option(help="Of the patients: 8 months, 4 years, adult; default unknown.")] = None,
    node: Annotated[str | None, typer.Option(help="Name of this box; default: its host name.")] = None,
    broker: Annotated[str | None, typer.Option(metavar="HOST[:PORT]", help="The MQTT broker.")] = None,
    user: Annotated[str | None, typer.Option(help="User at the broker; default: none.")] = None,
    password_file: Annotated[Path | None, typer.Option(help="File with its password.", readable=False)] = None,
    ca: Annotated[Path | None, typer.Option(help="Certificate authority of the broker (PEM): TLS.")] = None,
    site: Annotated[str, typer.Option(help="Name of the house or ward in MQTT topics.")] = "local",
    force: Annotated[bool, typer.Option("--force", help="Write over settings that are there.")] = False,
) -> None:
    """Write the first settings of a node and check them; what no option says is asked, where a terminal is.

    Exit code 1 if a check fails.
    """
    from edge.settings.first_ward import first_ward
    from edge.settings.node import host_name, parse_config
    from edge.settings.section import parse_yaml

    if output.exists() and not force:
        raise ConfigError(f"{output} is there already; give another file with -o, or --force to write over it")
    if output.is_dir():
        raise ConfigError(f"-o {output}: is a folder; give a file, such as {output / 'ward.yaml'}")
    if not output.absolute().parent.is_dir():
        raise ConfigError(f"-o {output}: there is no folder {output.absolute().parent}; make it first")
    ask = _asks() if sys.stdin.isatty() and sys.stdout.isatty() else _takes_default
    streams = _streams(ask, source, bed, age)
    named = node or ask("Name of this box", host_name(), _id)
    where = _broker(ask, broker, ca, output)
    text = first_ward(site, named, streams, _user(ask, where, user, password_file, output))
    parse_config(parse_yaml(text, str(output)), str(output), output.parent)  # mistakes of options, all at once
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"-o {output}: cannot be written ({error.strerror}); give another file") from error
    print(f"\nwrote {output}\n")
    raise typer.Exit(_checked(output))


Ask = Callable[[str, str, Callable[[str], str]], str]
"""Question, default, what checks an answer -> the answer."""


def _asks() -> Ask:
    """Ask a person, again where the answer cannot be."""

    def ask(question: str, default: str, check: Callable[[str], str]) -> str:
        def checked(text: str) -> str:
            try:
                return check(text.strip())
            except ValueError as error:
                raise typer.BadParameter(str(error)) from None

        return str(typer.prompt(question, default=default, value_proc=checked))

    return ask


def _takes_default(_question: str, default: str, _check: Callable[[str], str]) -> str:
    return default


def _streams(ask: Ask, given: list[str] | None, beds: list[str] | None, age: str | None) -> tuple[FirstStream, ...]:
    """One for each source."""
    from edge.settings.first_ward import FirstStream

    chosen = [(_full(each), _channel(each)) for each in given] if given else _chosen(ask)
    default = ", ".join(f"bed{number}" for number in range(1, len(chosen) + 1))
    names = beds or ask("Name of its bed" if len(chosen) == 1 else "Names of their beds", default, _ids).split(", ")
    if len(names) != len(chosen):
        raise ConfigError(f"--bed: expected {len(chosen)}, one for each source, found {len(names)}")
    said = age or ask("Age of the patient (8 months, 4 years, adult)", NO_AGE, _age)
    known = None if said == NO_AGE else said
    return tuple(
        FirstStream(name, source, channel, known) for name, (source, channel) in zip(names, chosen, strict=True)
    )


def _chosen(ask: Ask) -> list[tuple[str, int | None]]:
    """Sources, each with its channel: of the microphones that there are, or a file."""
    from edge.sources.file_search import DEMO_AUDIO

    found = _microphones()
    for device in found:
        print(f"  {device.index}  {device.name}")
    if not found and ask is _takes_default:
        raise ConfigError("no microphone found, and no --source given: give --source FILE, or plug one in")
    default = next((str(each.index) for each in found if each.default), str(found[0].index) if found else "demo")
    also = "numbers of microphones, or a sound file" if found else "a sound file; demo: a synthetic recording"
    answer = ask(f"What to listen to ({also})", default, lambda text: _known_sources(text, found))
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


def _broker(ask: Ask, given: str | None, ca: Path | None, output: Path) -> FirstBroker:
    from edge.settings.first_ward import FirstBroker

    found = [] if given else _answering()
    if found:
        print(f"brokers: {', '.join(found)}")
    elif not given:
        print("no broker found: `sudo apt install mosquitto` brings one to this machine")
    text = given or ask("MQTT broker (HOST or HOST:PORT)", found[0] if found else "127.0.0.1", _address)
    try:
        host, _, port = _address(text).partition(":")
    except ValueError as error:
        raise ConfigError(f"--broker: {error}") from None
    has_tls = ca is not None or port == str(WITH_TLS)
    return FirstBroker(host, int(port or (WITH_TLS if has_tls else 1883)), has_tls, _beside(ca, output))


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


def _user(ask: Ask, broker: FirstBroker, given: str | None, password_file: Path | None, output: Path) -> FirstBroker:
    """The same with its user; the password that a person types goes into a file of its own, for the owner alone."""
    from dataclasses import replace

    from edge.files import open_private

    name = given or ask("User at the broker", "none", _printable)
    if name == "none":
        if password_file is not None:
            raise ConfigError(f"--password-file {password_file}: is nobody's; give --user, too, or leave it out")
        return broker
    if password_file is None and ask is not _takes_default:
        password = typer.prompt(
            "Its password (empty: from LAENNEC_MQTT_PASSWORD)", default="", hide_input=True, show_default=False
        )
        if password:
            password_file = output.absolute().with_name("mqtt-password")
            try:
                with open_private(password_file, "w", encoding="utf-8") as file:
                    file.write(f"{password}\n")
            except OSError as error:
                raise ConfigError(
                    f"{password_file}: cannot be written ({error.strerror}); give -o another folder"
                ) from error
    return replace(broker, username=name, password_file=_beside(password_file, output))


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


def _beside(path: Path | None, output: Path) -> Path | None:
    """A path of the command line as the settings name it: relative paths there begin at their folder."""
    if path is None:
        return None
    full, folder = path.expanduser().absolute(), output.absolute().parent
    return full.relative_to(folder) if full.is_relative_to(folder) else full


def _id(text: str) -> str:
    from edge.contract.fields import ID_PATTERN

    if not re.fullmatch(ID_PATTERN, text):
        raise ValueError(f"{text!r} is not an id; use 1 to 32 of a-z, 0-9 and '-'")
    return text


def _ids(text: str) -> str:
    names = [_id(part.strip()) for part in text.split(",")]
    if len(set(names)) < len(names):
        raise ValueError(f"{text!r}: each bed needs a name of its own")
    return ", ".join(names)


def _age(text: str) -> str:
    from edge.settings.sections import years_of

    if text != NO_AGE:
        try:
            years_of(text)
        except ValueError as error:
            raise ValueError(f"{text!r} {error}, or {NO_AGE!r}") from None
    return text


def _known_sources(text: str, found: list[Device]) -> str:
    numbers = {str(each.index) for each in found}
    if text == "demo" or Path(text).expanduser().is_file():
        return text
    if not all(part.strip() in numbers for part in text.split(",")):
        raise ValueError(f"{text!r} is no file" + (f", and no number of {', '.join(sorted(numbers))}" if found else ""))
    return text


def _address(text: str) -> str:
    host, colon, port = text.partition(":")
    if not re.fullmatch(r"[^\s/]+", host) or (colon and not (port.isdecimal() and 0 < int(port) < 65536)):
        raise ValueError(f"{text!r} is no HOST or HOST:PORT, such as broker.ward.example:1883")
    return text


def _printable(text: str) -> str:
    if not text or not text.isprintable():
        raise ValueError("expected a name")
    return text
