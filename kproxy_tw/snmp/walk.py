"""Walking columns of a table, several at once: which names to ask for next, and what an answer is worth. Pure.

An agent may give fewer rows than asked for, columns of different length, and lies; a column ends where its names leave
it, and breaks where they do not increase. What was read until then is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from kproxy_tw.errors import MalformedInput
from kproxy_tw.snmp import ber
from kproxy_tw.snmp.failure import AgentFailure
from kproxy_tw.snmp.message import Variable
from kproxy_tw.snmp.reading import ErrorKind

Numbers = tuple[int, ...]

USUAL_ROWS = 10
"""Asked for at first of a table that is not known yet."""


@attrs.frozen
class Column:
    """One column of a table.

    :ivar name: as its MIB calls it.
    :ivar oid: without the row's index.
    """

    name: str
    oid: Numbers
    content: bytes = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "content", ber.oid_content(self.oid))


@attrs.frozen
class TableSpec:
    """Columns that are walked together. Their rows have the same index."""

    name: str
    columns: tuple[Column, ...]


Row = dict[str, ber.Value]


@attrs.define(eq=False)
class Table:
    """What a walk has brought.

    :ivar rows: by index; each by column name. A column that has no value there is absent.
    :ivar read_at: by index, when its first value came in, in seconds of the reader's clock.
    """

    name: str
    rows: dict[Numbers, Row] = attrs.field(factory=dict)
    read_at: dict[Numbers, float] = attrs.field(factory=dict)

    def put(self, index: Numbers, column: str, value: ber.Value, now: float) -> None:
        """Take a value in."""
        row = self.rows.get(index)
        if row is None:
            row = self.rows[index] = {}
            self.read_at[index] = now
        row[column] = value


@attrs.define(eq=False)
class _Position:
    column: Column
    last: Numbers = ()
    rows: int = 0


@attrs.define(eq=False)
class Walk:
    """The state of one walk.

    :ivar expected: rows that the table had last time, so that no more are asked for at first; ``None`` if not known.
    :ivar failure: why a column broke; ``None`` while none has.
    """

    spec: TableSpec
    max_rows: int
    expected: int | None = None
    table: Table = attrs.field(init=False)
    failure: AgentFailure | None = attrs.field(default=None, init=False)
    _open: list[_Position] = attrs.field(init=False)
    _asked: list[_Position] = attrs.field(factory=list, init=False)
    _resumed: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.table = Table(self.spec.name)
        self._open = [_Position(column) for column in self.spec.columns]

    def resume(self, table: Table, last: Mapping[str, Numbers]) -> None:
        """Go on behind what was read by other means than :meth:`take`.

        :param last: by column name, the index of its last row.
        """
        self.table, self._resumed = table, True
        self._open = [_Position(column, last.get(column.name, ())) for column in self.spec.columns]

    @property
    def done(self) -> bool:
        """There is nothing more to ask for."""
        return not self._open

    def ask(self, most_columns: int) -> tuple[Numbers, ...]:
        """What to ask the successors of, of at most so many columns; the others have their turn when these have ended.

        The answer goes to :meth:`take` or :meth:`no_successor`.
        """
        self._asked = self._open[:most_columns]
        return tuple(position.column.oid + position.last for position in self._asked)

    def rows_wanted(self, most: int) -> int:
        """How many rows to ask for now, of at most so many."""
        if self._resumed:
            return 1  # most probably there is nothing behind it
        expected = USUAL_ROWS if self.expected is None else self.expected
        return most if self.table.rows else max(1, min(most, expected + 1))

    def take(self, variables: Sequence[Variable], now: float) -> None:
        """The successors, in the order asked for, row after row. An answer without any breaks the walk."""
        self._resumed = False
        if not variables:
            self.fail(AgentFailure(ErrorKind.BROKEN_ANSWER, "an answer without variables"))
            return
        asked, going = self._asked, [True] * len(self._asked)
        for number, variable in enumerate(variables):
            place = number % len(asked)
            if going[place]:
                going[place] = self._next(asked[place], variable, now)
        self._close([position for position, goes_on in zip(asked, going, strict=True) if not goes_on])

    def no_successor(self, error_index: int) -> None:
        """Version 1 says so of one of the names; without saying which, of all."""
        known = 1 <= error_index <= len(self._asked)
        self._close(self._asked[error_index - 1 : error_index] if known else self._asked)

    def _close(self, ended: Sequence[_Position]) -> None:
        self._open = [position for position in self._open if position not in ended]

    def fail(self, failure: AgentFailure) -> None:
        """Go no further; what was read is kept."""
        self.failure = self.failure or failure
        self._open = []

    def _next(self, position: _Position, variable: Variable, now: float) -> bool:
        name, value = variable
        content = position.column.content
        if value is ber.Missing.END:
            return False
        if not name.startswith(content):
            return self._leave(position, name)
        try:
            index = ber.arcs(name[len(content) :])
        except MalformedInput as malformed:
            return self._broken(str(malformed))
        if index <= position.last:
            return self._broken(f"{position.column.name}: object identifiers do not increase")
        if position.rows >= self.max_rows:
            return self._broken(f"more than {self.max_rows} rows")
        position.last, position.rows = index, position.rows + 1
        if is_value(value):
            self.table.put(index, position.column.name, value, now)
        return True

    def _leave(self, position: _Position, name: bytes) -> bool:
        """The column ends, rightly when the name is behind it."""
        try:
            behind = ber.oid_numbers(name) > position.column.oid + position.last
        except MalformedInput as malformed:
            return self._broken(str(malformed))
        return False if behind else self._broken(f"{position.column.name}: object identifiers do not increase")

    def _broken(self, problem: str) -> bool:
        self.failure = self.failure or AgentFailure(ErrorKind.BROKEN_ANSWER, problem)
        return False


def is_value(value: ber.Value) -> bool:
    """The agent gave one."""
    return value is not None and not isinstance(value, ber.Missing)
