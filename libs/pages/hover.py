"""The one script of a page: it shows the values under the pointer, and the page is whole without it."""

from typing import Final

from libs.pages.pictures import LEFT, RIGHT, WIDTH

HOVER: Final = f"""
const box = document.createElement("div"); box.id = "value"; document.body.append(box);
const forms = {{
  percent: v => (v * 100).toFixed(2) + "%",
  money: v => v.toLocaleString("en", {{minimumFractionDigits: 2, maximumFractionDigits: 2}}),
  price: v => v.toLocaleString("en", {{maximumSignificantDigits: 8}}), ratio: v => v.toFixed(2)}};
for (const svg of document.querySelectorAll("svg[data-form]")) {{
  const first = +svg.dataset.first, last = +svg.dataset.last, lines = [...svg.querySelectorAll("polyline")].map(line => ({{
    name: line.dataset.name, xs: [...line.points].map(p => p.x), values: line.dataset.values.split(" ").map(Number)}}));
  svg.addEventListener("pointermove", event => {{
    const x = (event.clientX - svg.getBoundingClientRect().left) / svg.clientWidth * {WIDTH};
    if (x < {LEFT} || x > {RIGHT}) {{ box.style.display = "none"; return; }}
    const at = new Date((first + (x - {LEFT}) / {RIGHT - LEFT} * (last - first)) * 1000).toISOString();
    const here = Object.values(Object.fromEntries(lines.filter(line => line.xs[0] <= x + 1).map(line => [line.name, line])));
    box.textContent = [at.slice(0, last - first > 6e6 ? 10 : 16).replace("T", " "), ...here.map(line => {{
      let n = line.xs.findIndex(each => each > x); n = n < 0 ? line.xs.length - 1 : Math.max(n - 1, 0);
      return line.name + " " + forms[svg.dataset.form](line.values[n]); }})].join("\\n");
    box.style.display = "block";
    box.style.left = Math.min(event.clientX + 14, innerWidth - box.offsetWidth - 8) + "px"; box.style.top = event.clientY + 14 + "px";
  }});
  svg.addEventListener("pointerleave", () => {{ box.style.display = "none"; }});
}}
"""
