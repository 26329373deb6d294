"""What every page has to pass: no error on the console, no serious violation of axe's rules, no sideways scrolling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

AXE = Path(__file__).with_name("axe") / "axe.min.js"
SERIOUS = ("serious", "critical")

RUN_AXE = """
async (rules) => {
  const only = rules.length ? {runOnly: {type: "rule", values: rules}} : {};
  const found = await axe.run(document, {resultTypes: ["violations"], ...only});
  return found.violations.map((one) => ({
    id: one.id, impact: one.impact, nodes: one.nodes.map((node) => node.html.slice(0, 160)),
  }));
}
"""


def violations(page: Any, *rules: str) -> list[str]:
    """Serious violations of axe's rules, in words. As the policy forbids foreign scripts, the debugger runs axe.

    :param rules: all, if none is named.
    """
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate(RUN_AXE, list(rules))
    return [f"{one['id']}: {one['nodes'][:3]}" for one in found if one["impact"] in SERIOUS]


def overflow(page: Any) -> int:
    """Pixels by which the page is wider than the window; tables may scroll in themselves."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def look_everywhere(page: Any) -> list[str]:
    """What is wrong with a page in light, in dark, and at 400 px."""
    found = violations(page)
    page.emulate_media(color_scheme="dark")
    found += [f"dark: {one}" for one in violations(page, "color-contrast")]
    page.set_viewport_size({"width": 400, "height": 800})
    found += [f"400 px: {one}" for one in violations(page, "color-contrast", "scrollable-region-focusable")]
    if overflow(page) > 0:
        found.append(f"400 px: {overflow(page)} px too wide")
    return found
