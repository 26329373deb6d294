"""What every page has to pass: no error on the console, no serious violation of axe's rules, no sideways scrolling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

AXE = Path(__file__).with_name("axe") / "axe.min.js"
SERIOUS = ("serious", "critical")

RUN_AXE = """
async () => {
  const found = await axe.run(document, {resultTypes: ["violations"]});
  return found.violations.map((one) => ({
    id: one.id, impact: one.impact, nodes: one.nodes.map((node) => node.html.slice(0, 160)),
  }));
}
"""


def violations(page: Any) -> list[str]:
    """Serious violations of axe's rules, in words. As the policy forbids foreign scripts, the debugger runs axe."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate(RUN_AXE)
    return [f"{one['id']}: {one['nodes'][:3]}" for one in found if one["impact"] in SERIOUS]


def overflow(page: Any) -> int:
    """Pixels by which the page is wider than the window; tables may scroll in themselves."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
