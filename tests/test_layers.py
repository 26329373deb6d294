"""Where I/O may stand, and what the code may not do."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import source

#: Files that touch network, disk or time, by name ...
IO_FILES = {"service", "protocol", "client", "app", "store", "assembly"}
#: ... and folders of which nothing has to be pure.
IO_FOLDERS = {"commands", "listen", "testing", "upstream", "web"}
#: Pure although their folder need not be: documentation is made with these.
PURE_COMMANDS = {"flags", "flags_kproxy", "flags_kbgp", "flags_kcollect", "flags_shared", "commandline", "reference"}

EMPTY_WORDS = ("manager", "handler", "processor", "engine", "utils", "helpers", "common", "misc")
UNPACKERS = {"unpack", "unpack_from", "iter_unpack", "Struct"}

#: Imports each module named on its command line; stops at the first that loads Twisted.
PROGRAM = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
    if "twisted" in sys.modules:
        sys.exit(f"{name} loads Twisted")
"""


def is_pure(path: Path) -> bool:
    """Tell from its place whether a module must import without Twisted."""
    folders = path.relative_to(source.PACKAGE).parts[:-1]
    if folders == ("commands",):
        return path.stem in PURE_COMMANDS
    return path.stem not in IO_FILES and not IO_FOLDERS.intersection(folders)


def test_pure_modules_load_no_twisted() -> None:
    """Decoders, columns, sampling, encoding and all other pure modules import in an interpreter without Twisted."""
    pure = [source.module(path) for path in source.files() if is_pure(path)]
    assert len(pure) > 40
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, *pure], cwd=source.ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def found(wanted: Callable[[ast.AST], bool], *, outside: str = "") -> list[str]:
    """List the places of the package's syntax nodes that ``wanted`` knows."""
    return [
        f"{source.name(path)}:{getattr(node, 'lineno', 0)}"
        for path in source.files()
        if source.name(path) != outside
        for node in source.nodes(path)
        if wanted(node)
    ]


def test_no_global_statement() -> None:
    """State lives in objects."""
    assert found(lambda node: isinstance(node, ast.Global)) == []


def test_no_bare_except() -> None:
    """Every except says what it expects."""
    assert found(lambda node: isinstance(node, ast.ExceptHandler) and node.type is None) == []


def test_only_the_reader_unpacks() -> None:
    """Byte order and bounds are decided in one module."""

    def unpacks(node: ast.AST) -> bool:
        if isinstance(node, ast.ImportFrom) and node.module == "struct":
            return any(alias.name in UNPACKERS for alias in node.names)
        return (
            isinstance(node, ast.Attribute)
            and node.attr in UNPACKERS
            and isinstance(node.value, ast.Name)
            and node.value.id == "struct"
        )

    assert found(unpacks, outside="kproxy_tw/reader.py") == []


def test_no_module_level_reactor() -> None:
    """Importing a module never chooses the process's reactor."""
    guilty = []
    for path in source.files():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        inside = {id(node) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for node in ast.walk(f)}
        guilty += [
            f"{source.name(path)}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom | ast.Import) and id(node) not in inside and _names_reactor(node)
        ]
    assert guilty == []


def _names_reactor(node: ast.ImportFrom | ast.Import) -> bool:
    prefix = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
    return any(prefix + alias.name == "twisted.internet.reactor" for alias in node.names)


@pytest.mark.parametrize("word", EMPTY_WORDS)
def test_no_empty_names(word: str) -> None:
    """Modules and classes are named for what they are."""
    assert [source.name(path) for path in source.files() if word in path.stem.lower().split("_")] == []
    assert found(lambda node: isinstance(node, ast.ClassDef) and word in node.name.lower()) == []


def test_a_docstring_everywhere() -> None:
    """Every module says what it is for."""
    silent = [path for path in source.files() if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert [source.name(path) for path in silent] == []
