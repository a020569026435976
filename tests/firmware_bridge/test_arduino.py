"""The Arduino and PlatformIO library: its examples send what the host understands, and fit the boards."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edge import __version__
from firmware_bridge.deframe import Deframer
from firmware_bridge.messages import Hello, Samples

LIBRARY = Path(__file__).parents[2] / "firmware_bridge" / "arduino"
SDK = Path(__file__).parent / "sdk"
CORE = Path("/usr/share/arduino/hardware/arduino/avr")  # of Debian's arduino-core-avr
EXAMPLES = ("Tone", "PdmMicrophone")
WARNINGS = ("-Wall", "-Wextra", "-Wshadow", "-Wno-missing-field-initializers", "-Wno-unused-function", "-Werror")
UNO = (
    *("-mmcu=atmega328p", "-DF_CPU=16000000L", "-DARDUINO=10819", "-DARDUINO_AVR_UNO", "-DARDUINO_ARCH_AVR"),
    *(f"-I{CORE}/cores/arduino", f"-I{CORE}/variants/standard", "-DDECIMAL_DIG=__DECIMAL_DIG__"),
    *("-Os", "-ffunction-sections", "-fdata-sections", "-fno-exceptions", "-fno-threadsafe-statics"),
)


def run(*line: object) -> bytes:
    done = subprocess.run([*map(str, line)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def sketch(name: str, folder: Path) -> Path:
    """An example as the Arduino IDE hands it to the compiler."""
    text = (LIBRARY / "examples" / name / f"{name}.ino").read_text()
    (folder / f"{name}.cpp").write_text(f"#include <Arduino.h>\n{text}")
    return folder / f"{name}.cpp"


def stubbed(folder: Path) -> Path:
    """Headers that are the stub."""
    for name in ("Arduino.h", "PDM.h"):
        (folder / name).write_text('#include "arduino.h"\n')
    return folder


@pytest.mark.needs("g++")
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_host_understands_what_an_example_sends(name: str, tmp_path: Path) -> None:
    flags = (*WARNINGS, "-std=gnu++11", f"-I{stubbed(tmp_path)}", f"-I{SDK}", f"-I{LIBRARY / 'src'}")
    run("g++", *flags, sketch(name, tmp_path), SDK / "arduino_host.cpp", "-o", tmp_path / name)
    deframer = Deframer()
    packets = deframer.push(run(tmp_path / name))
    assert deframer.counts.crc_errors == deframer.counts.cobs_errors == deframer.counts.malformed == 0
    hellos = [packet.content for packet in packets if isinstance(packet.content, Hello)]
    assert [hello.streams[0].rate_mhz for hello in hellos] == [{"Tone": 8_000_000}.get(name, 16_000_000)] * 3
    sound = [packet for packet in packets if isinstance(packet.content, Samples)]
    values = np.concatenate([packet.content.values.ravel() for packet in sound])
    assert sound[0].sample_index == 0
    steps = np.diff([packet.sample_index for packet in sound])
    assert np.array_equal(steps, [packet.content.values.size for packet in sound[:-1]])
    if name == "Tone":
        assert len(values) == 5 * 8000
        assert int(np.argmax(np.abs(np.fft.rfft(values)))) == 400 * 5
    else:
        assert np.array_equal(values, np.arange(len(values)).astype(np.int16))
        assert len(values) >= 5 * 16000


@pytest.mark.needs("arm-none-eabi-g++")
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_code_of_a_cortex_m4(name: str, tmp_path: Path) -> None:
    flags = ("-mcpu=cortex-m4", "-mthumb", "-Os", "-std=gnu++14", *WARNINGS)
    folders = f"-I{stubbed(tmp_path)}", f"-I{SDK}", f"-I{LIBRARY / 'src'}"
    run("arm-none-eabi-g++", *flags, *folders, "-c", sketch(name, tmp_path), "-o", tmp_path / "out.o")
    assert (tmp_path / "out.o").read_bytes()[18:20] == b"\x28\x00"  # e_machine: EM_ARM


@pytest.mark.needs("avr-g++")
def test_the_tone_is_a_program_of_an_arduino_uno(tmp_path: Path) -> None:
    if not CORE.exists():
        pytest.skip("apt-get install arduino-core-avr")
    sources = [*sorted((CORE / "cores/arduino").glob("*.c*")), CORE / "cores/arduino/wiring_pulse.S"]
    for path in sources:
        kind = {".cpp": ("avr-g++", "-std=gnu++11", "-fpermissive"), ".c": ("avr-gcc", "-std=gnu11")}
        compiler = kind.get(path.suffix, ("avr-gcc", "-x", "assembler-with-cpp"))
        run(*compiler, *UNO, "-w", "-c", path, "-o", tmp_path / f"{path.name}.o")
    warnings = [each for each in WARNINGS if each != "-Wshadow"]  # the core's own headers
    flags = (*UNO, "-std=gnu++11", *warnings, f"-I{LIBRARY / 'src'}")
    run("avr-g++", *flags, "-c", sketch("Tone", tmp_path), "-o", tmp_path / "Tone.o")
    run("avr-gcc", *UNO[:1], "-Os", "-Wl,--gc-sections", *tmp_path.glob("*.o"), "-lm", "-o", tmp_path / "Tone.elf")
    rows = run("avr-size", tmp_path / "Tone.elf").decode().splitlines()
    text, data, bss = map(int, rows[1].split()[:3])
    assert 1000 < text + data < 32_256  # bytes of flash beside the boot loader
    assert data + bss < 1024, "half of the memory is left for the stack"


def test_both_descriptions_are_of_this_version_and_name_what_is_there() -> None:
    described = json.loads((LIBRARY / "library.json").read_text())
    properties = dict(line.split("=", 1) for line in (LIBRARY / "library.properties").read_text().splitlines())
    assert described["version"] == properties["version"] == __version__
    assert described["name"] == properties["name"] == "auslink"
    assert (LIBRARY / "src" / described["headers"]).samefile(LIBRARY.parent / "include" / properties["includes"])
    named = {f"{each['base']}/{file}" for each in described["examples"] for file in each["files"]}
    assert named == {f"examples/{name}/{name}.ino" for name in EXAMPLES}
    assert all((LIBRARY / path).is_file() for path in named)
