"""The table on the whole terminal, brought up to date again and again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Footer, Input, Static

from kproxy_tw.commands.tools.board.document import MARKS, Board, Layout, board
from kproxy_tw.commands.tools.client import NoAnswer, StatusPort
from kproxy_tw.web.judgement import counted
from kproxy_tw.web.tables.table import NUMERIC

SHOWN_POINTS = 4

COLORS = {"good": "green", "starting": "blue", "attention": "yellow", "bad": "red"}
STATE_COLORS = {"sending": "green", "connected": "green", "bad": "red", "interrupted": "red"}


class TopScreen(App[None]):
    """The screen.

    :param port: whom to ask, at ``path``.
    :param interval: seconds from one look to the next.
    """

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #verdict { height: auto; padding: 0 1; }
    #summary { height: 1; padding: 0 1; color: $text-muted; }
    DataTable { height: 1fr; }
    #filter { display: none; height: 3; }
    #filter.shown { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("s", "sort", "Sort by next column"),
        Binding("r", "reverse", "Reverse"),
        Binding("slash", "filter", "Filter"),
        Binding("escape", "clear", "No filter", show=False),
        Binding("p", "pause", "Pause"),
    ]

    def __init__(self, port: StatusPort, path: str, layout: Layout, interval: float) -> None:
        super().__init__()
        self._port = port
        self._path = path
        self._columns = layout
        self._interval = interval
        self._document: Any = None
        self._looked = 0.0
        self._board: Board | None = None
        self._sorted: int | None = None
        self._descending = False
        self._paused = False
        self._wanted = ""

    def compose(self) -> ComposeResult:
        """The parts, from top to bottom."""
        yield Static(f"asking {self._port} …", id="verdict", markup=False)
        yield Static("", id="summary", markup=False)
        yield DataTable(cursor_type="row", zebra_stripes=True)
        yield Input(placeholder="rows with this text; Enter keeps it, Escape shows all rows", id="filter")
        yield Footer()

    async def on_mount(self) -> None:
        """Look at once, then again and again."""
        self.query_one(DataTable).focus()
        self.run_worker(self._keep_looking(), exclusive=True)

    async def _keep_looking(self) -> None:
        while True:
            if not self._paused:
                await self._look()
            await asyncio.sleep(self._interval)

    async def _look(self) -> None:
        try:
            document = await asyncio.to_thread(self._port.document, self._path)
        except NoAnswer as problem:
            self._tell(Text(f"✕ {problem}", style="bold red"))
            return
        now = time.monotonic()
        shown = board(document, self._columns, now=time.time(), before=self._document, elapsed=now - self._looked)
        self._document, self._looked, self._board = document, now, shown
        self._show()

    def _tell(self, verdict: Text) -> None:
        self.query_one("#verdict", Static).update(verdict)

    def _show(self) -> None:
        shown = self._board
        if shown is None:
            return
        verdict = Text(f"{MARKS[shown.level]} {shown.sentence}", style=f"bold {COLORS[shown.level]}")
        for point in shown.points[:SHOWN_POINTS]:
            verdict.append(f"\n  {point}", style="not bold")
        if len(shown.points) > SHOWN_POINTS:
            verdict.append(f"\n  and {len(shown.points) - SHOWN_POINTS} more", style="not bold")
        self._tell(verdict)
        places = shown.matching(self._wanted)
        self.query_one("#summary", Static).update(self._summary(shown, len(places)))
        if self._sorted is not None:
            places = shown.ordered(places, self._sorted, descending=self._descending)
        self._fill(shown, places)

    def _summary(self, shown: Board, count: int) -> Text:
        rows = counted(len(shown.rows), "row")
        parts = [shown.summary, f"{count} of {rows}" if self._wanted else rows]
        if self._wanted:
            parts.append(f"filter: {self._wanted}")
        parts.append("paused" if self._paused else f"every {self._interval:g} s")
        return Text("   ".join(part for part in parts if part))

    def _fill(self, shown: Board, places: Sequence[int]) -> None:
        """Put the rows into the table; cursor and scrolling stay where they are."""
        table = self.query_one(DataTable)
        row, column, (left, top) = table.cursor_row, table.cursor_column, table.scroll_offset
        table.clear(columns=True)
        for place, one in enumerate(shown.columns):
            arrow = ("▼" if self._descending else "▲") if place == self._sorted else ""
            table.add_column(Text(one.title + arrow), key=one.key)
        for place in places:
            cells = zip(shown.rows[place], shown.columns, strict=True)
            table.add_row(*(_cell(text, kind=one.kind) for text, one in cells))
        table.move_cursor(row=row, column=column, animate=False, scroll=False)
        table.scroll_to(left, top, animate=False)

    def on_data_table_header_selected(self, event: DataTable.HeaderSelected) -> None:
        """Sort by the column that was clicked; the other way round at the second time."""
        self._descending = not self._descending if event.column_index == self._sorted else True
        self._sorted = event.column_index
        self._show()

    def action_sort(self) -> None:
        """Sort by the next column, largest first."""
        self._sorted = 0 if self._sorted is None else (self._sorted + 1) % len(self._columns.columns)
        self._descending = self._columns.columns[self._sorted].kind in NUMERIC
        self._show()

    def action_reverse(self) -> None:
        """Turn the order."""
        self._descending = not self._descending
        self._show()

    def action_filter(self) -> None:
        """Ask for a text."""
        entry = self.query_one("#filter", Input)
        entry.add_class("shown")
        entry.focus()

    def action_clear(self) -> None:
        """Show all rows."""
        self.query_one("#filter", Input).value = ""
        self._leave_filter()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what matches so far."""
        self._wanted = event.value
        self._show()

    def on_input_submitted(self, _event: Input.Submitted) -> None:
        """Keep the filter."""
        self._leave_filter()

    def _leave_filter(self) -> None:
        self.query_one("#filter", Input).remove_class("shown")
        self.query_one(DataTable).focus()

    def action_pause(self) -> None:
        """Leave the figures as they are, or go on."""
        self._paused = not self._paused
        self._show()


def _cell(text: str, *, kind: str) -> Text:
    """A cell; plain text, never markup."""
    style = STATE_COLORS.get(text, "") if kind == "state" else ""
    return Text(text, style=style, justify="right" if kind in NUMERIC else "left", no_wrap=True)
