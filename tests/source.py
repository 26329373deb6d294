"""The package's own source, parsed, for the tests that look at it."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "kproxy_tw"


def files() -> list[Path]:
    """Give every module that people wrote (what protoc makes is left out)."""
    return sorted(path for path in PACKAGE.rglob("*.py") if "_pb2" not in path.stem)


def name(path: Path) -> str:
    """Give a file's place as messages show it."""
    return str(path.relative_to(ROOT))


def module(path: Path) -> str:
    """Give the dotted name of a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def nodes(path: Path) -> Sequence[ast.AST]:
    """Give every node of a file's syntax tree."""
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))))


def lines(node: ast.AST) -> int:
    """Count the lines of a function or class."""
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1
