"""Sphinx: ``make docs`` builds the pages into build/docs, and takes no warning."""

from kproxy_tw import __version__

project = "kproxy_tw"
author = "kproxy_tw developers"
copyright = "2026, kproxy_tw developers"  # noqa: A001
version = release = __version__
extensions: list[str] = []
html_theme = "alabaster"
html_theme_options = {"description": "Telemetry proxies for routers", "fixed_sidebar": True}
html_copy_source = False
nitpicky = True
