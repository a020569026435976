"""Links without packets say why: on real ports, ptys and sockets."""

from __future__ import annotations

import os
import pty
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from edge.commands.demo_broker import free_port
from tests.conftest import HANGS_S
from tests.edge.commands.test_link_warnings import COMMAND, link


@pytest.mark.parametrize("command", ["monitor", "record"])
def test_without_any_packet_there_is_no_head_but_the_reasons_and_exit_code_2(command: str, tmp_path: Path) -> None:
    port, capture = free_port(), [tmp_path / "new.cap"] if command == "record" else []
    done = link(command, *capture, "--serial", "/dev/nosuch", "--udp", f"127.0.0.1:{port}", "--seconds", "3")
    assert done.returncode == 2, done.stderr
    assert done.stdout.splitlines() == [
        "/dev/nosuch: not there; plug it in",
        f"nothing received yet from udp:127.0.0.1:{port}",
    ]


def test_for_a_program_it_is_not_among_the_json() -> None:
    done = link("monitor", "--serial", "/dev/nosuch", "--seconds", "3", "--jsonl")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("/dev/nosuch: not there; plug it in") == 1


def test_on_a_terminal_it_stands_in_the_place_of_the_table() -> None:
    primary, secondary = pty.openpty()
    command = [*COMMAND, "monitor", "--serial", "/dev/nosuch", "--seconds", "1"]
    with subprocess.Popen(command, stdout=secondary, stderr=subprocess.DEVNULL) as child:
        os.close(secondary)
        assert child.wait(HANGS_S) == 2
    seen = bytearray()
    with suppress(OSError):  # the end; the kernel may hand it over in pieces
        while piece := os.read(primary, 65536):
            seen += piece
    os.close(primary)
    assert seen.decode().split("\x1b[H\x1b[J")[-1].splitlines() == ["/dev/nosuch: not there; plug it in"]
