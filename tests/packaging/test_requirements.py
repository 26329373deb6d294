"""What setup.py requires is what the package imports."""

from __future__ import annotations

import ast
import re
import sys
from importlib import metadata

from kproxy_tw import __version__
from tests import source

#: Nothing imports them: a floor under a library's own requirement, what TLS name checks need, and what only generated
#: code uses.
NOT_IMPORTED = {"pyasn1", "service-identity", "protobuf"}
#: Imported where they are installed; an extra brings them.
OPTIONAL = {"gufo-snmp": "fast"}
#: Top-level packages that several distributions have a part in.
SHARED = {"zope": "zope.interface", "twisted": "twisted"}
FLOORS = {"twisted": "26.10", "pyasn1": "0.6.5", "pysnmp": "7.1"}


def imported() -> set[str]:
    """Name the distributions that the package imports."""
    modules: set[str] = set()
    for path in source.files():
        for node in source.nodes(path):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module)
    tops = {module.split(".")[0] for module in modules} - set(sys.stdlib_module_names) - {"kproxy_tw"}
    owners = metadata.packages_distributions()
    return {SHARED[top] if top in SHARED else owners[top][0].lower().replace("_", "-") for top in tops}


def required() -> dict[str, str]:
    """Read setup.py's list: name without extras, and version floor."""
    tree = ast.parse((source.ROOT / "setup.py").read_text(encoding="utf-8"))
    (listed,) = (
        keyword.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "install_requires"
    )
    pairs = (requirement.split(">=") for requirement in ast.literal_eval(listed))
    return {name.split("[")[0]: floor for name, floor in pairs}


def test_every_import_is_required() -> None:
    """A fresh installation has every library that the package imports."""
    assert imported() - set(required()) - set(OPTIONAL) == set()


def test_every_requirement_is_used() -> None:
    """Nothing is installed for nothing."""
    assert set(required()) - imported() <= NOT_IMPORTED


def test_security_floors() -> None:
    """Versions with known holes are not accepted."""
    assert {name: required()[name] for name in FLOORS} == FLOORS


def test_one_version_everywhere() -> None:
    """The Debian changelog, the images' labels and the examples have the version of the package."""
    changelog = (source.ROOT / "debian/changelog").read_text()
    assert changelog.startswith(f"kproxy-tw ({__version__}) ")
    for path in (source.ROOT / "packaging/containers").iterdir():
        for found in re.findall(r'image\.version="([^"]+)"|image: kproxy_tw/\w+:(\S+)', path.read_text()):
            assert __version__ in found, path
