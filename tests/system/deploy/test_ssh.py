"""Deploying through a real sshd on the loopback interface, and every way in which that can fail.

The sshd is this test's own: its host key, its list of keys, an unprivileged port, the current user.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.devices import DeployError
from deploy.remote import Ssh, Target, facts_of, send_command
from deploy.tools import PROJECT
from edge.commands.demo_broker import free_port
from tests.deploy.conftest import CONFIG, Box

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@dataclass
class Server:
    """A running sshd, and what its clients need."""

    folder: Path
    port: int
    user: str

    def config(self, key: str = "key", known: str = "known") -> str:
        """Options of ssh for a client with that key and that list of hosts."""
        return f"-F none -i {self.folder / key} -o IdentitiesOnly=yes -o UserKnownHostsFile={self.folder / known}"

    def ssh(self, options: str | None = None, port: int | None = None) -> Ssh:
        return Ssh(f"{self.user}@127.0.0.1", port or self.port, self.config() if options is None else options)


def _keygen(path: Path) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path.with_suffix(".pub").read_text()


def _start(folder: Path, extra: str = "") -> tuple[subprocess.Popen[bytes], int]:
    for _ in range(5):  # another test may take the port before sshd does
        with suppress(ConnectionError):
            return _start_on(free_port(), folder, extra)
    raise AssertionError("no port is left to sshd")


def _start_on(port: int, folder: Path, extra: str) -> tuple[subprocess.Popen[bytes], int]:
    (folder / f"config-{port}").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
        f"PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin yes\n{extra}"
    )
    assert SSHD is not None
    child = subprocess.Popen([SSHD, "-D", "-e", "-f", folder / f"config-{port}"], stderr=subprocess.PIPE)
    for _ in range(1200):
        if child.poll() is not None:
            raise ConnectionError(child.communicate())
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return child, port
        time.sleep(0.05)
    raise AssertionError("sshd does not listen")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if SSHD is None or shutil.which("ssh") is None:
        pytest.skip("no OpenSSH here; apt-get install openssh-server openssh-client")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd puts itself behind bars
    folder = tmp_path_factory.mktemp("ssh")
    host = _keygen(folder / "host")
    (folder / "authorized").write_text(_keygen(folder / "key"))
    _keygen(folder / "stranger")
    child, port = _start(folder)
    (folder / "known").write_text(f"[127.0.0.1]:{port} {host}")
    (folder / "changed").write_text(f"[127.0.0.1]:{port} {(folder / 'stranger.pub').read_text()}")
    (folder / "unknown").write_text("")
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    yield Server(folder, port, user)
    child.terminate()
    child.communicate()


def _refusal(transport: Ssh, root: str = "/nowhere") -> str:
    with transport, pytest.raises(DeployError) as caught:
        facts_of(Target(transport, root))
    return str(caught.value)


def test_make_deploys_over_ssh_below_a_root_and_goes_back_and_away(server: Server, box: Box, tmp_path: Path) -> None:
    config = tmp_path / "ward.yaml"
    config.write_text(CONFIG)

    stored = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # no make of make

    def make(*words: str) -> str:
        done = subprocess.run(
            [
                "make",
                *words,
                "DEVICE=x86",
                f"HOST={server.user}@127.0.0.1",
                f"PORT={server.port}",
                f"ROOT={box.layout.root}",
                f"SSH_OPTIONS={server.config()}",
                f"CONFIG={config}",
                "HEALTHY_S=0.3",
            ],
            cwd=PROJECT,
            env=stored,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    for behaviour in ("one", "two"):
        reported = make("deploy", f"ARGS=--wheelhouse {box.house(behaviour).folder}")
    assert reported.splitlines()[-1].startswith(f"laennec {box.layout.running()} runs on {server.user}@127.0.0.1 (two)")
    assert "0002-" in make("status")
    assert "runs two config: first" in make("logs")
    assert make("rollback").splitlines()[-1].startswith("laennec 0001-")
    assert box.heard() == "one"
    assert "nothing is deployed" in make("undeploy")


def test_a_box_of_a_fleet_is_reached_as_a_single_one_is(server: Server, box: Box, tmp_path: Path) -> None:
    ward, fleet = tmp_path / "ward.yaml", tmp_path / "fleet.yaml"
    ward.write_text("site: ${site}\nnode: ${node}\nstreams: [{id: bed1, source: mic}]\n")
    tree = {
        "device": "x86",
        "site": "ward-b",
        "host": f"{server.user}@127.0.0.1",
        "port": server.port,
        "root": str(box.layout.root),
        "ssh_options": server.config(),
        "config": str(ward),
        "wheelhouse": str(box.house("one").folder),
    }
    fleet.write_text(json.dumps({"healthy_s": 0.3, "boxes": {"edge-7": tree}}))
    argv = [sys.executable, "-m", "deploy.rollout", "deploy", "--fleet", str(fleet)]
    done = subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"runs on {server.user}@127.0.0.1" in done.stdout
    assert "node: edge-7" in box.layout.config.read_text()
    assert f"edge-7  ward-b/edge-7  {box.layout.running()}" in done.stdout


def test_one_connection_serves_all_questions(server: Server, box: Box) -> None:
    with server.ssh() as transport:
        target = Target(transport, str(box.layout.root))
        assert facts_of(target).machine == os.uname().machine
        assert send_command(target, "status")["running"] == ""
        assert len(list(transport._control.iterdir())) == 1
    assert not transport._control.exists()


def test_a_file_that_was_copied_is_not_copied_again(
    server: Server, box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    house = box.house("one")
    with server.ssh() as transport:
        for _ in range(2):
            send_command(
                Target(transport, str(box.layout.root)),
                "install",
                house.software.parts,
                **box.request(house),
                is_forced=True,
            )
    copied = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  copying")]
    assert [line.split("(")[1] for line in copied] == [
        "10 of 10 files were new, 0.0 MB)",
        "0 of 10 files were new, 0.0 MB)",
    ]


def test_a_key_that_is_not_taken(server: Server) -> None:
    refusal = _refusal(server.ssh(server.config(key="stranger")))
    assert "the login was refused" in refusal
    assert re.search(r"ssh-copy-id -p \d+ \S+@", refusal), "a command that can be copied"


def test_another_host_key_than_the_one_known(server: Server) -> None:
    refusal = _refusal(server.ssh(server.config(known="changed")))
    assert "another host key than the one known for it" in refusal
    assert re.search(r"ssh-keygen -R '\[127.0.0.1\]:\d+'$", refusal), "as the file of known hosts has it"


def test_a_host_that_was_never_seen(server: Server) -> None:
    assert "a host key that is not known here" in _refusal(server.ssh(server.config(known="unknown")))


def test_a_port_where_nobody_listens(server: Server) -> None:
    with socket.socket() as taken:  # so that nobody else comes to listen there
        taken.bind(("127.0.0.1", 0))
        assert "nobody listens on that port" in _refusal(server.ssh(port=taken.getsockname()[1]))


def test_a_host_that_does_not_exist(server: Server) -> None:
    with_no_such_name = Ssh("laennec@no-such-box.invalid", None, server.config())
    assert "no such host name" in _refusal(with_no_such_name)


@pytest.mark.parametrize("host", ["", "-oProxyCommand=touch /tmp/x", "two words"])
def test_what_is_no_host_reaches_no_ssh(host: str) -> None:
    with pytest.raises(DeployError) as caught:
        Ssh(host, None)
    assert f"expected user@box, found {host!r}" in str(caught.value)


def test_a_program_that_is_killed_on_the_box_is_not_taken_for_a_box_out_of_reach(server: Server) -> None:
    with server.ssh() as transport:
        killed = subprocess.run(
            transport.words(["sh", "-c", "kill -9 $$"]), capture_output=True, text=True, check=False
        )
        assert killed.returncode == 255, "ssh says the same when it reaches nobody"
        assert transport.explain(killed.returncode, killed.stderr) == ""


def test_options_that_are_no_words_of_a_shell_are_refused() -> None:
    with pytest.raises(DeployError) as caught:
        Ssh("user@box", None, "-i 'key")
    assert "SSH_OPTIONS: expected words as in a shell, found -i 'key" in str(caught.value)


def test_no_ssh_on_the_workstation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(DeployError) as caught:
        Ssh("box", None)
    assert "found no ssh" in str(caught.value)


@pytest.fixture
def bare(server: Server) -> Iterator[Callable[[list[str]], Server]]:
    """Starts an sshd whose sessions find nothing but the programs that are named."""
    running = []

    def start(names: list[str]) -> Server:
        programs = server.folder / "-".join(["bin", *names])
        programs.mkdir()
        for name in names:
            found = os.path.realpath(sys.executable) if name == "python3" else shutil.which(name)
            (programs / name).symlink_to(found or name)
        child, port = _start(server.folder, f'ForceCommand PATH={programs} exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"\n')
        running.append(child)
        host = (server.folder / "host.pub").read_text()
        (server.folder / "known").write_text((server.folder / "known").read_text() + f"[127.0.0.1]:{port} {host}")
        return Server(server.folder, port, server.user)

    yield start
    for child in running:
        child.terminate()
        child.communicate()


def test_a_box_without_python(bare: Callable[[list[str]], Server]) -> None:
    assert "expected Python 3.10 or newer" in _refusal(bare(["sh"]).ssh())


def test_a_box_where_administration_is_not_allowed(bare: Callable[[list[str]], Server]) -> None:
    server = bare(["sh", "python3"])
    folder = server.folder / "bin-sh-python3"
    (folder / "id").write_text("#!/bin/sh\necho 1000\n")  # not root, whoever runs this test
    (folder / "sudo").write_text("#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n")
    for name in ("id", "sudo"):
        (folder / name).chmod(0o755)
    with server.ssh() as transport, pytest.raises(DeployError) as caught:
        send_command(Target(transport, "/"), "status")
    assert "expected sudo without a password" in str(caught.value)
    assert "a password is required" in str(caught.value)
