"""The password of the broker is read from where the settings say, never from the YAML."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import ConfigError
from edge.settings.broker import PASSWORD_VARIABLE, Mqtt, password


def test_the_password_comes_from_its_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    monkeypatch.setenv(PASSWORD_VARIABLE, "other")
    assert password(Mqtt(password_file=tmp_path / "secret")) == "s3cret"
    assert password(Mqtt()) == "other"
    with pytest.raises(ConfigError, match=r"mqtt.password_file: cannot read"):
        password(Mqtt(password_file=tmp_path / "none"))
