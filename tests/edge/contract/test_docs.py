"""What the contract says of itself is made of its models, and committed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema

from edge.contract.docs import FOLDER, README, schemas, with_table
from tests.conftest import HANGS_S

ROOT = Path(__file__).parents[3]

REPAIR = "run  .venv/bin/python -m edge.contract"


def test_the_schemas_that_are_committed_are_those_of_the_models() -> None:
    made = schemas()
    assert {path.name: path.read_text() for path in FOLDER.glob("*.json")} == made, REPAIR


def test_the_table_of_the_readme_is_that_of_the_models() -> None:
    readme = README.read_text()
    assert with_table(readme) == readme, REPAIR


def test_every_schema_is_one() -> None:
    made = [json.loads(path.read_text()) for path in FOLDER.glob("*.json")]
    assert len(made) == len(schemas())
    for schema in made:
        jsonschema.Draft202012Validator.check_schema(schema)


def test_an_argument_that_it_does_not_know_is_refused() -> None:
    line = [sys.executable, "-m", "edge.contract", "edge/delivery"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=HANGS_S, check=False)
    assert done.returncode == 2
    assert "unrecognized arguments: edge/delivery" in done.stderr
