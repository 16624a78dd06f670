"""How the monitor's pages look."""

from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1c2126; --soft: #5f6b76; --line: #dfe3e7; --back: #fbfbfa; --card: #fff;
  --ok: #2e7d4f; --warning: #9a6700; --critical: #b3261e; --info: #5f6b76 }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7ea; --soft: #97a1ab; --line: #2d343b; --back: #14181c;
  --card: #1b2025; --ok: #6cc08b; --warning: #e0b252; --critical: #f2857b; --info: #97a1ab } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1.2rem 1rem 3rem; max-width: 60rem; background: var(--back); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; overflow-wrap: break-word }
h1 { font-size: 1.5rem; margin: 0; font-weight: 600 }
h2 { font-size: 1rem; margin: 1.8rem 0 .5rem; color: var(--soft); font-weight: 600 }
h3 { font-size: 1.05rem; margin: 0 }
a { color: inherit }
p { margin: .4rem 0 }
code, pre { font: .88em/1.5 ui-monospace, Menlo, Consolas, monospace }
pre { overflow-x: auto; padding: .7rem .9rem; background: var(--card); border: 1px solid var(--line); border-radius: .4rem }
table { width: 100%; border-collapse: collapse; font-size: .95rem }
th, td { text-align: left; vertical-align: top; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line) }
th { font-weight: 600; width: 13rem }
td.state { white-space: nowrap; width: 6rem }
.soft { color: var(--soft) }
.ok { color: var(--ok) }
.info { color: var(--info) }
.warning { color: var(--warning) }
.critical { color: var(--critical) }
.card { background: var(--card); border: 1px solid var(--line); border-left: .3rem solid currentColor; border-radius: .4rem;
  padding: .6rem .9rem; margin: .6rem 0 }
.card > * { color: var(--ink) }
.card > h3 { color: inherit }
.card > .soft { color: var(--soft) }
@media (max-width: 40rem) { .wide { display: none } th, td { padding-right: .5rem } th, td.state { width: auto } }
"""
