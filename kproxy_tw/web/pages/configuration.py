"""Configuration: every setting in force, and who said so."""

from __future__ import annotations

from collections.abc import Sequence

from kproxy_tw.status import SettingStatus
from kproxy_tw.web.page import PageContent
from kproxy_tw.web.snapshot import Snapshot
from kproxy_tw.web.tables.table import Cell, Table, columns


def content(snapshot: Snapshot) -> PageContent:
    """Everything that the page shows."""
    return PageContent(
        template="config.html",
        tables=(settings_table(snapshot.daemon.settings),),
        values={"daemon": snapshot.daemon},
        live=False,
    )


def settings_table(settings: Sequence[SettingStatus]) -> Table:
    """What was given stands first, then the defaults."""
    ordered = sorted(settings, key=lambda setting: (setting.origin == "default", setting.name))
    return Table(
        name="settings",
        key="Settings",
        title="Settings in force",
        columns=columns(
            ("Name", "Setting"),
            ("Value", "Value"),
            ("Origin", "From", "text", "A flag beats the environment, which beats the default"),
            ("Default", "Default"),
            ("Help", "What it does"),
        ),
        rows=[
            (
                setting.name,
                setting.value if not isinstance(setting.value, bool) else str(setting.value).lower(),
                Cell(setting.origin, tone="" if setting.origin == "default" else "warn"),
                setting.default if not isinstance(setting.default, bool) else str(setting.default).lower(),
                setting.help,
            )
            for setting in ordered
        ],
    )
