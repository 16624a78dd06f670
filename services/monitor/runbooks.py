"""The runbooks as pages, so that a link on a phone leads to what to do."""

import re
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

FOLDER: Final = Path(__file__).parents[2] / "docs" / "runbooks"
INDEX: Final = "README"
_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def markdown(text: str) -> str:
    """HTML of Markdown as we write it. Tags in the text stay text; links to other pages of `docs/` lead nowhere here and are dropped."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(text)
    for n, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", _anchor(tokens[n + 1].content))
        if token.children:
            token.children = _linked(token.children)
    return str(parser.renderer.render(tokens, parser.options, {}))


def runbook(slug: str) -> tuple[str, str] | None:
    """Title and HTML; None when there is no such runbook. `slug` may come from anybody."""
    if slug != INDEX and not _SLUG.fullmatch(slug):
        return None
    try:
        text = (FOLDER / f"{slug}.md").read_text()
    except OSError:
        return None
    return text.partition("\n")[0].lstrip("# "), markdown(text)


def _anchor(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _linked(children: list[Token]) -> list[Token]:
    """Links between runbooks lead to their pages."""
    kept: list[Token] = []
    dropping = False
    for child in children:
        if child.type == "link_open":
            target = _target(str(child.attrGet("href") or ""))
            dropping = target is None
            if target is not None:
                child.attrSet("href", target)
        if not (dropping and child.type in ("link_open", "link_close")):
            kept.append(child)
        if child.type == "link_close":
            dropping = False
    return kept


def _target(href: str) -> str | None:
    page, mark, anchor = href.partition("#")
    if href.startswith(("http://", "https://", "#", "/")):
        return href
    name = page.removesuffix(".md")
    if name == INDEX:
        return "/runbooks" + mark + anchor
    return f"/runbooks/{name}{mark}{anchor}" if page.endswith(".md") and _SLUG.fullmatch(name) else None
