"""`laennec model`: what a model says of itself, and which signed model is in force on this box."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.commands import ModelOption

if TYPE_CHECKING:
    from edge.release import Release
    from edge.shelf import Shelf

app = typer.Typer(help="The model: its card, and the signed models on this box.", invoke_without_command=True)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Settings (YAML) whose `models` say where; default: this user's.")
]
WantedArgument = Annotated[str, typer.Argument(metavar="ID", help="First digits of a release, or `bundled`.")]
NEXT_START = "a running service takes it at its next start (systemctl restart laennec)"


@app.callback()
def card(context: typer.Context, model: ModelOption = None) -> None:
    """Print what a model artefact says of itself."""
    if context.invoked_subcommand is not None:
        return
    from edge.model import load_model

    print(load_model(model).describe())


@app.command()
def install(
    package: Annotated[Path, typer.Argument(metavar="FILE_OR_FOLDER", help="What `export.sign` made.", readable=False)],
    promote: Annotated[bool, typer.Option("--promote", help="Put it in force too, if it is not older.")] = False,
    config: ConfigOption = None,
) -> None:
    """Check a signed model and put it on the shelf; what is in force does not change without --promote."""
    shelf = _shelf(config)
    release = shelf.install(package)
    short = release.sha256[:12]
    print(f"installed {short}: {release.manifest.id} of {release.manifest.created}, signed by {release.signer.name}")
    print(f"in {release.folder}")
    if promote:
        _say(shelf.promote(release.sha256, older=False), config)
    else:
        print(f"not in force yet: laennec model promote {short}")


@app.command(name="list")
def list_releases(config: ConfigOption = None) -> None:
    """List the models on the shelf; * is in force."""
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


@app.command()
def promote(wanted: WantedArgument, config: ConfigOption = None) -> None:
    """Put a model of the shelf in force, older ones too; the one before is kept for `rollback`."""
    _say(_shelf(config).promote(wanted), config)


@app.command()
def rollback(config: ConfigOption = None) -> None:
    """Go back to what was in force before the last promotion."""
    _say(_shelf(config).rollback(), config)


@app.command()
def show(
    wanted: Annotated[str | None, typer.Argument(metavar="[ID]", help="First digits of a release.")] = None,
    config: ConfigOption = None,
) -> None:
    """Print a release and its model's card; without ID what is in force."""
    from edge.model import load_model

    shelf = _shelf(config)
    release = shelf.in_force() if wanted is None else shelf.find(wanted)
    if release is not None:
        print(f"release {release.folder}  signed by {release.signer.name}")
        print(release.manifest.canonical().decode())
    print(load_model(release.artefact if release is not None else None).describe())


def _say(release: Release | None, config: Path | None) -> None:
    from edge.config import load_config

    name = f"{release.sha256[:12]}: {release.manifest.id}" if release is not None else "the bundled model"
    print(f"in force: {name}; {NEXT_START}")
    if release is not None and len(release.manifest.files) > 1:
        print(f"find out which of its variants is the fastest here: laennec tune --model {release.artefact}")
    if config is not None and (named := load_config(config).model) is not None:
        print(f"laennec: but {config} says  model: {named}  which goes before; remove that line", file=sys.stderr)


def _shelf(config: Path | None) -> Shelf:
    from edge.config import Models, load_config
    from edge.shelf import Shelf

    settings = load_config(config).models if config is not None else Models()
    return Shelf(settings.shelf, settings.keys)
