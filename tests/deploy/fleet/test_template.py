"""`${name}` in settings: filled from what a box is, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.devices import DeployError
from deploy.fleet import fill

VALUES = {"node": "edge-7", "site": "ward-b"}


def test_names_are_replaced_wherever_they_stand() -> None:
    assert fill("node: ${node}\nid: ${site}-${node}\n", VALUES, "x") == "node: edge-7\nid: ward-b-edge-7\n"


def test_a_doubled_dollar_is_the_text_itself() -> None:
    assert fill("$${node} $5 $node", VALUES, "x") == "${node} $5 $node"


@pytest.mark.parametrize("name", ["nod", "", "node.x", "__class__", "node "])
def test_a_name_that_the_box_does_not_have_is_an_error_with_its_line(name: str) -> None:
    with pytest.raises(DeployError) as caught:
        fill(f"a: 1\nb: ${{{name}}}\n", VALUES, "edge-7: ward.yaml")
    assert str(caught.value).startswith(f"edge-7: ward.yaml, line 2: nothing is called ${{{name}}}")
    assert "known: node, site" in str(caught.value)


def test_the_closest_name_is_suggested() -> None:
    with pytest.raises(DeployError) as caught:
        fill("${nodes}", VALUES, "x")
    assert "(did you mean ${node}?)" in str(caught.value)


@given(st.text(alphabet="ab $}\n", max_size=40))
def test_text_without_a_place_stays_as_it_is(text: str) -> None:
    assert fill(text, VALUES, "x") == text
