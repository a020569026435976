"""`laennec model`: what a model artefact says of itself."""

from __future__ import annotations

import typer

from edge.commands import ModelOption

app = typer.Typer(help="The model: its card.", invoke_without_command=True)


@app.callback()
def card(context: typer.Context, model: ModelOption = None) -> None:
    """Print what a model artefact says of itself."""
    if context.invoked_subcommand is not None:
        return
    from edge.model import load_model

    print(load_model(model).describe())
