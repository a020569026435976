"""`laennec model`: the card of a model, and which of the installed models is active."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.commands import AdaptationOption, ModelOption

if TYPE_CHECKING:
    from edge.model.releases.release import Release
    from edge.model.releases.store import ModelStore

app = typer.Typer(help="Show the model; install, activate and roll back signed models.", invoke_without_command=True)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Settings (YAML); its section `models` says where models are installed.")
]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="First digits of a model's id, or `bundled`.")]
NEXT_START = "a running service uses it from its next start on (systemctl restart laennec)"


@app.callback()
def card(context: typer.Context, model: ModelOption = None, adaptation: AdaptationOption = None) -> None:
    """Print the card of a model: classes, thresholds, validation, feature spec; and an adaptation of it."""
    if context.invoked_subcommand is not None:
        return
    from edge.model.adaptation import load_adaptation
    from edge.model.model import load_model

    artefact = load_model(model)
    lines = load_adaptation(adaptation, artefact).lines() if adaptation is not None else []
    print("\n".join([artefact.describe(), *lines]))


@app.command(short_help="Check and install a signed model.")
def install(
    package: Annotated[
        Path,
        typer.Argument(metavar="FILE_OR_FOLDER", help="Signed model, made by `python -m export.sign`.", readable=False),
    ],
    promote: Annotated[
        bool, typer.Option("--promote", help="Also make it active, unless it is older than the active one.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Check a signed model and install it; the active model changes only with --promote."""
    store = _store(config)
    release = store.install(package)
    short = release.sha256[:12]
    print(f"installed {short}: {release.manifest.id} of {release.manifest.created}, signed by {release.signer.name}")
    print(f"in {release.folder}")
    if promote:
        _print_active(store.promote(release.sha256, older=False), config)
    else:
        print(f"not active yet; to make it active: laennec model promote {short}")


@app.command(name="list", short_help="List the installed models.")
def list_releases(config: ConfigOption = None) -> None:
    """List the installed models; * marks the active one."""
    installed = _store(config).installed()
    bundled_mark = " " if any(one.is_active for one in installed) else "*"
    print(f"{bundled_mark} {'bundled':12}  the model that comes with Laennec")
    for one in installed:
        mark, short = "*" if one.is_active else " ", one.sha256[:12]
        if one.release is None:
            print(f"{mark} {short}  REFUSED: {one.fault}")
            continue
        manifest = one.release.manifest
        variants = ", ".join(sorted(file.variant for file in manifest.files.values()))
        print(f"{mark} {short}  {manifest.created}  {manifest.id}  {variants}  signed by {one.release.signer.name}")


@app.command(short_help="Make an installed model the active one.")
def promote(prefix: IdArgument, config: ConfigOption = None) -> None:
    """Make an installed model the active one, also an older one; `rollback` goes back."""
    _print_active(_store(config).promote(prefix), config)


@app.command(short_help="Go back to the model that was active before.")
def rollback(config: ConfigOption = None) -> None:
    """Make the model active that was active before the last promotion."""
    _print_active(_store(config).rollback(), config)


@app.command(short_help="Say which model a start would use.")
def active(
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One line, for programs.")] = False,
) -> None:
    """Say which model a start would use: that of the settings, the promoted one, or the bundled one."""
    import json

    from edge.model.releases.store import describe_active

    found = describe_active(config)
    print(json.dumps(found) if as_json else f"{found['kind']} {found['id'][:12]}: {found['name']}")


@app.command(short_help="Remove models that are too old.")
def prune(
    keep: Annotated[int, typer.Option("--keep", min=1, help="How many stay.")] = 3, config: ConfigOption = None
) -> None:
    """Remove installed models but for the last ones; never the active one, the one before, or a newer one."""
    from edge.settings.node import load_config

    settings = load_config(config) if config is not None else None
    gone = _store(config).prune(keep, (settings.model, settings.shadow) if settings else ())
    print(f"removed {', '.join(sha256[:12] for sha256 in gone)}" if gone else "nothing is too old")


@app.command(short_help="Print the manifest and card of a model.")
def show(
    prefix: Annotated[str | None, typer.Argument(metavar="ID", help="First digits of a model's id.")] = None,
    config: ConfigOption = None,
) -> None:
    """Print an installed model's manifest and card; without ID those of the active one."""
    from edge.model.model import load_model

    store = _store(config)
    release = store.active() if prefix is None else store.find(prefix)
    if release is not None:
        print(f"release {release.folder}  signed by {release.signer.name}")
        print(release.manifest.canonical().decode())
    print(load_model(release.artefact if release is not None else None).describe())


def _print_active(release: Release | None, config: Path | None) -> None:
    """Which release is active now, and what overrides it."""
    from edge.settings.node import load_config

    name = f"{release.sha256[:12]}: {release.manifest.id}" if release is not None else "the bundled model"
    print(f"active: {name}; {NEXT_START}")
    if config is not None and (named := load_config(config).model) is not None:
        print(f"laennec: but {config} says  model: {named}  which overrides it; remove that line", file=sys.stderr)


def _store(config: Path | None) -> ModelStore:
    from edge.model.releases.store import ModelStore
    from edge.settings.node import Models, load_config

    settings = load_config(config).models if config is not None else Models()
    return ModelStore(settings.store_path, settings.keys)
