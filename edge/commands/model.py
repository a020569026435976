"""`laennec model`: the card of a model, and which of the signed models on this box is active."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.commands import ModelOption

if TYPE_CHECKING:
    from edge.releases.model_store import Shelf
    from edge.releases.release import Release

app = typer.Typer(help="Show the model; install, activate and roll back signed models.", invoke_without_command=True)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Settings (YAML); its section `models` says where models lie.")
]
WantedArgument = Annotated[str, typer.Argument(metavar="ID", help="First digits of a model's id, or `bundled`.")]
NEXT_START = "a running service uses it from its next start on (systemctl restart laennec)"


@app.callback()
def card(context: typer.Context, model: ModelOption = None) -> None:
    """Print the card of a model: classes, thresholds, validation, feature spec."""
    if context.invoked_subcommand is not None:
        return
    from edge.artefact.model import load_model

    print(load_model(model).describe())


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
    shelf = _shelf(config)
    release = shelf.install(package)
    short = release.sha256[:12]
    print(f"installed {short}: {release.manifest.id} of {release.manifest.created}, signed by {release.signer.name}")
    print(f"in {release.folder}")
    if promote:
        _say(shelf.promote(release.sha256, older=False), config)
    else:
        print(f"not active yet; to make it active: laennec model promote {short}")


@app.command(name="list", short_help="List the installed models.")
def list_releases(config: ConfigOption = None) -> None:
    """List the installed models; * marks the active one."""
    standings = _shelf(config).standings()
    in_force = next((s for s in standings if s.in_force), None)
    print(f"{' ' if in_force else '*'} {'bundled':12}  the model that comes with Laennec")
    for standing in standings:
        mark, short = "*" if standing.in_force else " ", standing.sha256[:12]
        if standing.release is None:
            print(f"{mark} {short}  REFUSED: {standing.fault}")
            continue
        manifest = standing.release.manifest
        variants = ", ".join(sorted(file.variant for file in manifest.files.values()))
        print(
            f"{mark} {short}  {manifest.created}  {manifest.id}  {variants}  signed by {standing.release.signer.name}"
        )


@app.command(short_help="Make an installed model the active one.")
def promote(wanted: WantedArgument, config: ConfigOption = None) -> None:
    """Make an installed model the active one, also an older one; `rollback` goes back."""
    _say(_shelf(config).promote(wanted), config)


@app.command(short_help="Go back to the model that was active before.")
def rollback(config: ConfigOption = None) -> None:
    """Make the model active that was active before the last promotion."""
    _say(_shelf(config).rollback(), config)


@app.command(short_help="Print the manifest and card of a model.")
def show(
    wanted: Annotated[str | None, typer.Argument(metavar="[ID]", help="First digits of a model's id.")] = None,
    config: ConfigOption = None,
) -> None:
    """Print an installed model's manifest and card; without ID those of the active one."""
    from edge.artefact.model import load_model

    shelf = _shelf(config)
    release = shelf.in_force() if wanted is None else shelf.find(wanted)
    if release is not None:
        print(f"release {release.folder}  signed by {release.signer.name}")
        print(release.manifest.canonical().decode())
    print(load_model(release.artefact if release is not None else None).describe())


def _say(release: Release | None, config: Path | None) -> None:
    from edge.settings.config import load_config

    name = f"{release.sha256[:12]}: {release.manifest.id}" if release is not None else "the bundled model"
    print(f"active: {name}; {NEXT_START}")
    if release is not None and len(release.manifest.files) > 1:
        print(f"to find its fastest variant on this machine: laennec optimize --model {release.artefact}")
    if config is not None and (named := load_config(config).model) is not None:
        print(f"laennec: but {config} says  model: {named}  which overrides it; remove that line", file=sys.stderr)


def _shelf(config: Path | None) -> Shelf:
    from edge.releases.model_store import Shelf
    from edge.settings.config import Models, load_config

    settings = load_config(config).models if config is not None else Models()
    return Shelf(settings.store_path, settings.keys)
