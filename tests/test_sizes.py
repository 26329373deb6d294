"""Nothing grows without being noticed: the size budgets of the package."""

from __future__ import annotations

import ast

from tests import source

MODULE_LINES = 500
FUNCTION_LINES = 60
CLASS_LINES = 300
CLASS_METHODS = 20

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def test_there_is_something_to_measure() -> None:
    """The tests below look at the whole package."""
    assert len(source.files()) > 50


def test_modules() -> None:
    """No module is longer than can be read in one go."""
    long = {source.name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in source.files()}
    assert {name: count for name, count in long.items() if count > MODULE_LINES} == {}


def test_functions() -> None:
    """No function is longer than a screen."""
    long = {
        f"{source.name(path)}:{node.lineno} {node.name}": source.lines(node)
        for path in source.files()
        for node in source.nodes(path)
        if isinstance(node, FUNCTIONS)
    }
    assert {name: count for name, count in long.items() if count > FUNCTION_LINES} == {}


def test_classes() -> None:
    """No class does everything."""
    sizes = {
        f"{source.name(path)}:{node.lineno} {node.name}": (
            source.lines(node),
            sum(isinstance(part, FUNCTIONS) for part in node.body),
        )
        for path in source.files()
        for node in source.nodes(path)
        if isinstance(node, ast.ClassDef)
    }
    assert {name: size for name, size in sizes.items() if size[0] > CLASS_LINES or size[1] > CLASS_METHODS} == {}
