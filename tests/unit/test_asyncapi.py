from typing import Any

import pytest
import yaml

from fleet import docs
from libs.domain.orders import EVIDENCE, INTENTS
from libs.domain.streams import CHANNELS


@pytest.mark.parametrize("name", sorted(docs.pages()))
def test_a_generated_page_is_what_the_code_says(name: str) -> None:
    assert (docs.DOCS / name).read_text() == docs.pages()[name], "run `make docs`"


def test_every_channel_and_message_is_described() -> None:
    document = yaml.safe_load(docs.asyncapi())
    assert {c["address"] for c in document["channels"].values()} == {c.address for c in CHANNELS} | {"system.health"}
    assert {kind.__name__ for c in CHANNELS for kind in c.payload} <= set(document["components"]["messages"])


def test_every_reference_leads_somewhere() -> None:
    document = yaml.safe_load(docs.asyncapi())
    for reference in references(document):
        at: Any = document
        for step in reference.removeprefix("#/").split("/"):
            at = at[step]


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [found for child in node.values() for found in references(child)]
    return [found for child in node for found in references(child)] if isinstance(node, list) else []


def test_every_transition_of_an_order_is_a_row() -> None:
    rows = [line for line in docs.order_states().splitlines() if line.startswith("| ") and not line.startswith(("| status", "| ---"))]
    assert len(rows) == len(INTENTS) + len(EVIDENCE)
