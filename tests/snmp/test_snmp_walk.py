"""Walking columns: where they end, what breaks them, and how much is asked for."""

from __future__ import annotations

from kproxy_tw.snmp import ber
from kproxy_tw.snmp.message import Variable
from kproxy_tw.snmp.pace import GOOD_ANSWERS, Pace
from kproxy_tw.snmp.walk import Column, Numbers, TableSpec, Walk

A, B = Column("a", (1, 3, 6, 1, 2, 1)), Column("b", (1, 3, 6, 1, 2, 2))
SPEC = TableSpec("table", (A, B))


def variable(column: Column, index: Numbers, value: ber.Value = 1) -> Variable:
    """One cell."""
    return ber.oid_content(column.oid + index), value


def test_rows_of_two_columns() -> None:
    """Rows come in turn; columns end where the names leave them, each on its own."""
    walk = Walk(SPEC, 100)
    assert walk.ask(9) == (A.oid, B.oid)
    walk.take([variable(A, (1,)), variable(B, (1,), 7), variable(A, (2,)), variable(B, (3,), 8)], 5.0)
    assert walk.ask(9) == ((*A.oid, 2), (*B.oid, 3))
    walk.take([variable(B, (1,)), variable(B, (9,), 9)], 6.0)
    assert walk.ask(9) == ((*B.oid, 9),)
    walk.take([((variable(B, (9,))[0]), ber.Missing.END)], 7.0)
    assert walk.done
    assert walk.failure is None
    assert walk.table.rows == {(1,): {"a": 1, "b": 7}, (2,): {"a": 1}, (3,): {"b": 8}, (9,): {"b": 9}}
    assert walk.table.read_at == {(1,): 5.0, (2,): 5.0, (3,): 5.0, (9,): 6.0}


def test_fewer_columns_at_once() -> None:
    """The others come when the first have ended."""
    walk = Walk(SPEC, 100)
    assert walk.ask(1) == (A.oid,)
    walk.take([variable(A, (1,)), variable(B, (1,))], 0.0)
    assert walk.ask(1) == (B.oid,)
    walk.take([variable(B, (1,)), ((variable(B, (1,))[0]), ber.Missing.END)], 0.0)
    assert walk.done
    assert walk.table.rows == {(1,): {"a": 1, "b": 1}}


def broken(*variables: Variable) -> str:
    """Why a walk over these ends."""
    walk = Walk(TableSpec("table", (A,)), 3)
    walk.ask(9)
    walk.take([variable(A, (5,))], 0.0)
    walk.take(list(variables), 0.0)
    assert walk.done
    assert (5,) in walk.table.rows
    return str(walk.failure)


def test_what_breaks_a_column() -> None:
    """It is told, and what was read before is kept."""
    assert broken(variable(A, (5,))) == "a: object identifiers do not increase"
    assert broken(variable(A, (4,))) == "a: object identifiers do not increase"
    assert broken((ber.oid_content((1, 3, 6, 1, 1)), 1)) == "a: object identifiers do not increase"
    assert broken((A.content + b"\x81", 1)) == "an object identifier is cut off"
    assert broken() == "an answer without variables"
    assert broken(*(variable(A, (number,)) for number in range(6, 20))) == "more than 3 rows"


def test_end_of_a_column_in_version_1() -> None:
    """The agent says which name it knows no successor of."""
    walk = Walk(SPEC, 100)
    assert walk.ask(9) == (A.oid, B.oid)
    walk.no_successor(1)
    assert walk.ask(9) == (B.oid,)
    walk.no_successor(0)
    assert walk.done


def test_no_more_than_expected_is_asked_for_at_first() -> None:
    """Small tables are read with one small question."""
    walk = Walk(SPEC, 100, 4)
    assert walk.rows_wanted(50) == 5
    walk.ask(9)
    walk.take([variable(A, (1,)), variable(B, (1,))], 0.0)
    assert walk.rows_wanted(50) == 50


def test_pace() -> None:
    """Less at once after trouble, more again after good answers, never more than told."""
    pace = Pace(50)
    assert pace.rows(16) == 50
    assert pace.rows(100) == 10
    assert pace.too_much()
    assert pace.repetitions == 25
    for _answer in range(GOOD_ANSWERS):
        pace.answered()
    assert pace.repetitions == 50
    assert pace.to_one()
    assert not pace.to_one()
    assert not pace.too_much()
    assert pace.rows(16) == 1
    pace.bulk = False
    assert pace.repetitions == 1
