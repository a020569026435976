"""What a person gives to `make deploy` and its kin, before any box is asked."""

from __future__ import annotations

import pytest

from deploy.__main__ import main


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["status"], "found none"),
        (["status", "--device", "x86", "--host", "a@b", "--port", "abc"], "--port: invalid int value: 'abc'"),
        (["logs", "--device", "local", "--lines", "many"], "--lines: invalid int value: 'many'"),
        (["status", "--device", "x86", "--host", "a@b", "--ssh-options", "-i 'key"], "SSH_OPTIONS"),
        (["install", "--device", "local", "--config", "/no/such.yaml"], "/no/such.yaml"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line_and_exit_code_2(
    words: list[str], found: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("deploy: ")
    assert found in said
    assert "\n" not in said
