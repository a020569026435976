"""The examples fit the header, as an ARM compiler sees them; the real SDKs are not here, stubs declare what is used."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "firmware_bridge"
SDK = Path(__file__).parent / "sdk"
EXAMPLES = {
    "pico": ("pico/main.c", "cortex-m0plus"),
    "esp-idf": ("esp-idf/main/main.c", "cortex-m4"),
    "zephyr": ("zephyr/src/main.c", "cortex-m33"),
}
COMPILER = "arm-none-eabi-gcc"
WARNINGS = ("-Wall", "-Wextra", "-Wshadow", "-Wno-missing-field-initializers", "-Wno-unused-function", "-Werror")


def compiled(name: str, source: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Compile a source whose SDK headers are all the one stub."""
    for header in re.findall(r'#include [<"]([^>"]+)[>"]', source):
        if header not in ("auslink.h",):
            made = folder / "include" / header
            made.parent.mkdir(parents=True, exist_ok=True)
            made.write_text(f'#include "{SDK / name}.h"\n')
    if name == "pico":  # what pioasm would copy out of the program
        text = (ROOT / "examples" / "pico" / "i2s.pio").read_text()
        (own,) = re.findall(r"% c-sdk \{(.*?)%\}", text, re.DOTALL)
        (folder / "include" / "i2s.pio.h").write_text(f'#include "{SDK / name}.h"\n{own}')
    (folder / "main.c").write_text(source)
    command = [COMPILER, "-std=gnu11", *WARNINGS, f"-mcpu={EXAMPLES[name][1]}", "-mthumb", "-Os", "-DAUSLINK_RICE"]
    command += ["-I", str(folder / "include"), "-I", str(ROOT / "include"), "-c", str(folder / "main.c")]
    return subprocess.run([*command, "-o", str(folder / "main.o")], capture_output=True, text=True, check=False)


@pytest.mark.needs(COMPILER)
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_fits_the_header(name: str, tmp_path: Path) -> None:
    done = compiled(name, (ROOT / "examples" / EXAMPLES[name][0]).read_text(), tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.needs(COMPILER)
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_that_no_longer_fits_is_found(name: str, tmp_path: Path) -> None:
    source = (ROOT / "examples" / EXAMPLES[name][0]).read_text().replace("auslink_hello(", "auslink_greeting(")
    done = compiled(name, source, tmp_path)
    assert "auslink_greeting" in done.stderr


def test_the_pio_program_takes_32_bits_a_side_and_turns_ws_one_bit_early() -> None:
    text = (ROOT / "examples" / "pico" / "i2s.pio").read_text()
    lines = re.findall(r"^ {4}(set|in|jmp|nop)\b.*side 0b(\d)(\d)|^(\w+):$", text, re.MULTILINE)
    program, x, at, steps = [], 0, 0, []
    labels = {}
    for operation, ws, sck, label in lines:
        if label:
            labels[label] = len(program)
        else:
            program.append((operation, int(ws), int(sck)))
    targets = [labels["left"], labels["right"]]
    while len(steps) < 2 * 64:  # one frame: 64 bits of two instructions
        operation, ws, sck = program[at]
        steps.append((operation, ws, sck))
        at = (at + 1) % len(program)
        if operation == "set":
            x = 29
        elif operation == "jmp" and x:
            x -= 1
            at = targets[ws]
    assert at == 0
    assert [sck for _, _, sck in steps] == [0, 1] * 64
    assert [k for k, (operation, _, _) in enumerate(steps) if operation == "in"] == list(range(1, 128, 2))
    assert [ws for _, ws, _ in steps] == [0] * 62 + [1] * 64 + [0] * 2
