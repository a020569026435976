"""`laennec model`: what an operator types, and what is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge.commands.app import app
from edge.commands.doctor import model as artefact
from edge.errors import ConfigError, ModelError
from edge.model.model import DEFAULT_PATH
from edge.model.releases.store import active_model
from edge.settings.node import load_config
from tests.edge.signed_releases import Signer


@pytest.fixture
def config(signer: Signer) -> Path:
    """Settings of the box."""
    path = signer.folder / "ward.yaml"
    models = {"path": str(signer.folder / "models"), "keys": str(signer.keys)}
    path.write_text(json.dumps({"streams": [{"id": "bed1", "source": "mic"}], "models": models}))
    return path


def _output_of(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["model", *map(str, arguments)], catch_exceptions=True)
    if isinstance(result.exception, (ConfigError, ModelError)):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_the_card_is_printed_as_ever() -> None:
    assert "SPRSound" in _output_of()
    assert _output_of("--model", DEFAULT_PATH) == _output_of()


def test_which_model_a_start_would_use_is_said_to_people_and_programs(signer: Signer, config: Path) -> None:
    assert _output_of("active", "--config", config).startswith("bundled ")
    short = _output_of("install", signer.package("a"), "--config", config).split()[1].rstrip(":")
    _output_of("promote", short, "--config", config)
    found = json.loads(_output_of("active", "--config", config, "--json"))
    assert (found["kind"], found["id"][:12], found["store"]) == ("promoted", short, str(signer.folder / "models"))
    settings = json.loads(config.read_text())
    config.write_text(json.dumps({**settings, "model": str(DEFAULT_PATH)}))
    assert json.loads(_output_of("active", "--config", config, "--json"))["kind"] == "settings"
    config.write_text(json.dumps({**settings, "model": "/no/such.onnx"}))
    with pytest.raises(ModelError, match=r"/no/such.onnx: cannot be read"):
        _output_of("active", "--config", config)


def test_old_models_are_removed_when_asked_for(signer: Signer, config: Path) -> None:
    ids = []
    for days, name in enumerate("abc"):
        ids.append(_output_of("install", signer.package(name, days), "--config", config).split()[1].rstrip(":"))
        _output_of("promote", ids[-1], "--config", config)
    assert _output_of("prune", "--keep", 2, "--config", config).strip() == f"removed {ids[0]}"
    assert _output_of("prune", "--config", config).strip() == "nothing is too old"
    listed = _output_of("list", "--config", config)
    assert ids[0] not in listed
    assert f"* {ids[2]}" in listed


def test_a_model_goes_from_a_package_into_force_and_back(signer: Signer, config: Path) -> None:
    printed = _output_of("install", signer.package("a"), "--config", config)
    short = printed.partition("laennec model promote ")[2].strip()
    assert "signed by first.pub.pem" in printed
    assert "* bundled" in _output_of("list", "--config", config)
    assert "next start" in _output_of("promote", short, "--config", config)
    listed = _output_of("list", "--config", config).splitlines()
    assert listed[0].startswith("  bundled")
    assert listed[1].startswith(f"* {short}  2026-11-21T12:00:00Z")
    assert f"{short}" in _output_of("show", "--config", config).splitlines()[0]
    assert "active: the bundled model" in _output_of("rollback", "--config", config)


def test_install_can_promote_too_but_not_what_is_older(signer: Signer, config: Path) -> None:
    _output_of("install", signer.package("new", 1), "--promote", "--config", config)
    with pytest.raises(ModelError, match="older than the active model"):
        _output_of("install", signer.package("old", 0), "--promote", "--config", config)
    assert [line[0] for line in _output_of("list", "--config", config).splitlines()] == [" ", " ", "*"]


def test_what_is_refused_is_listed_with_the_reason(signer: Signer, config: Path) -> None:
    release = signer.store().install(signer.package("a"))
    signer.store().promote(release.sha256)
    release.artefact.unlink()
    assert f"* {release.sha256[:12]}  REFUSED: " in _output_of("list", "--config", config)


def test_a_promoted_release_that_vanished_is_not_shown_as_the_bundled_model(signer: Signer, config: Path) -> None:
    release = signer.store().install(signer.package("a"))
    signer.store().promote(release.sha256)
    release.folder.rename(signer.folder / "away")
    listed = _output_of("list", "--config", config).splitlines()
    assert listed[0].startswith("  bundled")
    assert listed[1].startswith(f"* {release.sha256[:12]}  REFUSED")


def test_a_file_named_in_the_settings_goes_before_and_that_is_said(signer: Signer, config: Path) -> None:
    tree = json.loads(config.read_text())
    config.write_text(json.dumps({**tree, "model": "/opt/ward.onnx"}))
    printed = _output_of("install", signer.package("a"), "--promote", "--config", config)
    assert "model: /opt/ward.onnx  which overrides it; remove that line" in printed


def test_a_node_runs_what_its_settings_name_then_what_was_promoted_then_the_bundled_model(
    signer: Signer, config: Path
) -> None:
    assert active_model(load_config(config)) is None
    release = signer.store().install(signer.package("a"))
    assert active_model(load_config(config)) is None
    signer.store().promote(release.sha256)
    assert active_model(load_config(config)) == release.artefact
    named = load_config(config).model_copy(update={"model": Path("/opt/ward.onnx")})
    assert active_model(named) == Path("/opt/ward.onnx")


def test_a_node_does_not_start_with_another_model_than_the_promoted_one(signer: Signer, config: Path) -> None:
    release = signer.store().install(signer.package("a"))
    signer.store().promote(release.sha256)
    release.artefact.write_bytes(b"")
    result = CliRunner().invoke(app, ["run", "--config", str(config)])
    assert isinstance(result.exception, ConfigError | ModelError)  # the former where PyAudio is missing, too
    assert "the promoted model is refused" in str(result.exception)


def test_the_doctor_looks_at_the_model_that_a_run_would_take_and_fails_where_a_run_would(
    signer: Signer, config: Path
) -> None:
    settings = load_config(config)
    assert artefact.chosen(None, settings) == (None, [])
    release = signer.store().install(signer.package("a"))
    signer.store().promote(release.sha256)
    path, checks = artefact.chosen(None, settings)
    assert (path, [check.verdict for check in checks]) == (release.artefact, ["ok"])
    assert artefact.chosen(Path("/opt/other.onnx"), settings) == (Path("/opt/other.onnx"), [])
    release.artefact.unlink()
    path, checks = artefact.chosen(None, settings)
    assert (path, [(check.name, check.verdict) for check in checks]) == (None, [("release", "fail")])
