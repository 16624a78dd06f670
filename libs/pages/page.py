"""A page that is whole in itself: one style for all reports, in light and dark, on paper and on a phone. Pure."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from html import escape
from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --soft: #666; --line: #ddd; --one: #0b5cad; --two: #b3261e; --won: #2e7d32; --band: #0b5cad33;
  --paper: #fff; --three: #8a5a00; }
@media screen and (prefers-color-scheme: dark) { :root { --soft: #aaa; --line: #444; --one: #7ab8ff; --two: #ff8a80; --won: #81c784;
  --band: #7ab8ff33; --paper: #121212; --three: #e0b050; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; background: var(--paper); }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .2rem .6rem; border-bottom: 1px solid var(--line); } th { font-weight: 600; color: var(--soft); }
th:first-child, td:first-child, .words { text-align: left; } .soft { color: var(--soft); } .bad { color: var(--two); font-weight: 600; }
figure { margin: .5rem 0 1rem; } figcaption { color: var(--soft); } svg { width: 100%; height: auto; display: block; }
svg text { font-size: 11px; fill: currentColor; } svg .end { text-anchor: end; } svg .middle { text-anchor: middle; }
svg .grid { stroke: var(--line); } svg .zero { stroke: var(--soft); }
polyline { fill: none; stroke-width: 1.5; stroke-linejoin: round; } .curve0 { stroke: var(--one); } .curve1 { stroke: var(--two); }
.curve2 { stroke: var(--three); } .name0 { color: var(--one); } .name1 { color: var(--two); } .name2 { color: var(--three); }
.under { stroke: none; fill: var(--band); } .price { stroke: var(--soft); stroke-width: 1; } .spread { fill: var(--line); stroke: none; }
.lost { fill: var(--two); } .won { fill: var(--won); } .bought { color: var(--won); } .sold { color: var(--two); }
.mark { stroke: var(--paper); stroke-width: .5; } .bought .mark { fill: var(--won); } .sold .mark { fill: var(--two); }
.gain { background: color-mix(in srgb, var(--won) var(--much), transparent); }
.loss { background: color-mix(in srgb, var(--two) var(--much), transparent); }
.best { fill: none; stroke: currentColor; stroke-width: 2; } .none { fill: var(--line); }
.wide { overflow-x: auto; } .wide td, .wide th { padding: .2rem .35rem; } .wide td:not(.words) { white-space: nowrap; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.notes { border-left: 4px solid var(--two); padding: .1rem 1rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: 0 2rem; align-items: start; }
#value { position: fixed; pointer-events: none; background: var(--paper); border: 1px solid var(--line);
  padding: .1rem .5rem; font-size: 13px; white-space: pre; display: none; }
@media (max-width: 40rem) { .wide table { min-width: max-content; } body { margin: 1rem auto; } svg text { font-size: 20px; }
  .inner { display: none; }
  td, th { padding: .2rem .3rem; }  dl { grid-template-columns: 1fr; } dd { margin-bottom: .4rem; } }
@media print { :root { color-scheme: light; } .wide td:not(.words) { white-space: normal; }
  body { max-width: none; margin: 0; color: #000; } figure, tr { break-inside: avoid; }
  h2 { break-after: avoid; } .wide { overflow: visible; } #value { display: none !important; } }
"""

NARROW: Final = 3
"""Columns that fit a phone; a table of more is scrolled there."""


def document(title: str, body: Iterable[str], script: str = "") -> str:
    """HTML that asks nothing of any network: a policy in it forbids that, and every script but the one given."""
    end = f"<script>{script}</script>" if script else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy(script)}">'
        f"<title>{escape(title)} - Tradewinds</title><style>{STYLE}</style></head>\n<body>\n" + "\n".join(body) + f"\n{end}</body></html>\n"
    )


def policy(script: str = "") -> str:
    """What a page may load: nothing from anywhere, its own style, and of scripts the one given."""
    allowed = f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" if script else "'none'"
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src {allowed}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], words: Sequence[int] = ()) -> str:
    """Rows under their heads; the first column and those of `words` begin flush left, the others are numbers."""
    if not rows:
        return '<p class="soft">None.</p>'
    kind = {n: ' class="words"' for n in words}
    heads = "".join(f'<th scope="col"{kind.get(n, "")}>{escape(cell)}</th>' for n, cell in enumerate(head))
    lines = ("".join(f"<td{kind.get(n, '')}>{escape(cell)}</td>" for n, cell in enumerate(row)) for row in rows)
    wide = ' class="wide"' if len(head) > NARROW else ""
    return f"<div{wide}><table><tr>{heads}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table></div>"


def pairs(rows: Iterable[tuple[str, str]]) -> str:
    """Names and what they are."""
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows) + "</dl>"


def few(names: Sequence[str], most: int = 12) -> str:
    """The first of them, the rest counted."""
    return " ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")
