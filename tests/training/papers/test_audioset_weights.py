"""A file with the layout of the public checkpoint, and files that are not it."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor

from edge.errors import ConfigError
from training.clips.classifier import build_backbone
from training.clips.schema import ClassifierRecipe, load_recipe
from training.papers.transformer import AudioSpectrogramTransformer, TransformerSpec, load_public_checkpoint, resized

SIZE, DEPTH, COLUMNS = 8, 2, 6
SPEC = TransformerSpec(size=SIZE, depth=DEPTH, heads=2, frames=66, bands=128)


def _shapes(size: int = SIZE, depth: int = DEPTH, columns: int = COLUMNS) -> dict[str, tuple[int, ...]]:
    """The public file's keys; it is of 768, 12 blocks and 12 rows of 101 columns."""
    shapes: dict[str, tuple[int, ...]] = {
        "v.cls_token": (1, 1, size),
        "v.dist_token": (1, 1, size),
        "v.pos_embed": (1, 2 + 12 * columns, size),
        "v.patch_embed.proj.weight": (size, 1, 16, 16),
        "v.patch_embed.proj.bias": (size,),
        "v.norm.weight": (size,),
        "v.norm.bias": (size,),
        "v.head.weight": (1000, size),
        "v.head.bias": (1000,),
        "v.head_dist.weight": (1000, size),
        "v.head_dist.bias": (1000,),
        "mlp_head.0.weight": (size,),
        "mlp_head.0.bias": (size,),
        "mlp_head.1.weight": (527, size),
        "mlp_head.1.bias": (527,),
    }
    layers = {"norm1": (size,), "attn.qkv": (3 * size, size), "attn.proj": (size, size), "norm2": (size,)}
    layers |= {"mlp.fc1": (4 * size, size), "mlp.fc2": (size, 4 * size)}
    for n in range(depth):
        for name, shape in layers.items():
            shapes[f"v.blocks.{n}.{name}.weight"] = shape
            shapes[f"v.blocks.{n}.{name}.bias"] = shape[:1]
    return {f"module.{key}": shape for key, shape in shapes.items()}


def _checkpoint() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {key: torch.randn(shape) for key, shape in _shapes().items()}


def _saved(content: object, folder: Path) -> Path:
    path = folder / "ast.pth"
    torch.save(content, path)
    return path


def test_every_weight_of_the_network_comes_from_the_file(tmp_path: Path) -> None:
    content, network = _checkpoint(), AudioSpectrogramTransformer(SPEC)
    load_public_checkpoint(network, _saved(content, tmp_path))
    for key, value in network.state_dict().items():
        assert torch.equal(value, content[f"module.v.{key}"]), key
    assert network(torch.randn(1, 1, 66, 128), torch.ones(1, 66)).isfinite().all()


def test_positions_are_resized_to_another_grid(tmp_path: Path) -> None:
    content = _checkpoint()
    spec = TransformerSpec(size=SIZE, depth=DEPTH, heads=2, frames=46, bands=64)
    network = AudioSpectrogramTransformer(spec)
    load_public_checkpoint(network, _saved(content, tmp_path))
    found, places = network.pos_embed, content["module.v.pos_embed"]
    assert spec.grid == (5, 4)
    assert torch.equal(found[:, :2], places[:, :2])
    assert torch.equal(found[:, 2:], resized(places[:, 2:], (12, COLUMNS), (5, 4)))


@pytest.mark.parametrize("name", ["patchmix", "qlung"])
@pytest.mark.rest
def test_the_networks_of_size_paper_take_a_file_of_the_public_shapes(name: str, tmp_path: Path) -> None:
    """Each tensor of the file is one number, so that it is small; 8 s of 10 ms frames need 79 of the 101 columns."""
    shapes = _shapes(768, 12, 101)
    numbers = {key: torch.tensor(float(place)) for place, key in enumerate(shapes)}
    path = _saved({key: numbers[key].expand(shape) for key, shape in shapes.items()}, tmp_path)
    recipe = load_recipe(name, "paper", {"network.checkpoint": str(path)})
    assert isinstance(recipe, ClassifierRecipe)
    network = build_backbone(recipe.network, list(recipe.features.values()), 800)
    assert network.pos_embed.shape == (1, 2 + 12 * 79, 768)
    for key, value in network.state_dict().items():
        torch.testing.assert_close(value, numbers[f"module.v.{key}"].expand(value.shape))


def test_a_missing_file_says_where_to_fetch_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such checkpoint; fetch audioset_10_10_0"):
        load_public_checkpoint(AudioSpectrogramTransformer(SPEC), tmp_path / "none.pth")


class _Payload:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("executed",)


def test_a_damaged_or_executable_file_is_refused_and_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = AudioSpectrogramTransformer(SPEC)
    whole = _saved(_checkpoint(), tmp_path).read_bytes()
    for content in (b"", b"no checkpoint", whole[: len(whole) // 2], pickle.dumps(_Payload(), 2)):
        path = tmp_path / "bad.pth"
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=r"bad.pth: is not a readable checkpoint"):
            load_public_checkpoint(network, path)
    torch.save({"weights": _Payload()}, path)
    with pytest.raises(ConfigError, match="not a readable checkpoint"):
        load_public_checkpoint(network, path)
    assert "executed" not in capsys.readouterr().out


def test_a_file_of_something_else_is_refused_and_nothing_is_changed(tmp_path: Path) -> None:
    network = AudioSpectrogramTransformer(SPEC)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    shallow = {key: value for key, value in _checkpoint().items() if ".blocks.1." not in key}
    flat = _checkpoint() | {"module.v.pos_embed": torch.zeros(1, 2 + 13, SIZE)}
    kernel = _checkpoint() | {"module.v.patch_embed.proj.weight": torch.zeros(SIZE, 3, 16, 16)}
    cases: list[tuple[object, str]] = [
        ([1, 2], "expected a state dict of tensors, found list"),
        ({"epoch": 3}, "expected a state dict of tensors"),
        ({"other": torch.zeros(2)}, "missing .*blocks.0"),
        (shallow, r"missing \['blocks.1.*\(12\)"),
        (flat, "pos_embed has the shape"),
        (kernel, r"patch_embed.proj.weight has the shape \(8, 3, 16, 16\), expected \(8, 1, 16, 16\)"),
    ]
    for content, message in cases:
        with pytest.raises(ConfigError, match=message):
            load_public_checkpoint(network, _saved(content, tmp_path))
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
