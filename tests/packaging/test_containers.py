"""Dockerfiles, compose file and Kubernetes example, as linters and schemas see them. No container engine is needed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import source

CONTAINERS = source.ROOT / "packaging/containers"
PROGRAMS = Path(sys.executable).parent


def lint(program: str, *arguments: str | Path) -> None:
    """Run a checker of the virtual environment; skip where it is not installed."""
    path = shutil.which(program, path=str(PROGRAMS))
    if path is None:
        pytest.skip(f"needs {program}: make packages-tools")
    command = [path, *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("name", ["kproxy", "kbgp", "kcollect"])
def test_dockerfiles(name: str) -> None:
    """Hadolint finds nothing; the container asks the daemon itself whether it is well, and is not root."""
    path = CONTAINERS / f"{name}.Dockerfile"
    lines = path.read_text().splitlines()
    assert any(line.startswith("HEALTHCHECK ") and line.endswith(f'CMD ["{name}", "healthcheck"]') for line in lines)
    assert "USER 990" in lines
    lint("hadolint", path)


def test_compose_file() -> None:
    """It follows the Compose specification's schema."""
    lint("check-jsonschema", "--builtin-schema", "vendor.compose-spec", CONTAINERS / "docker-compose.yml")


def test_kubernetes_example() -> None:
    """It follows the Kubernetes API, and keeps the routers' addresses."""
    path = CONTAINERS / "kubernetes.yaml"
    assert "externalTrafficPolicy: Local" in path.read_text()
    lint("kubernetes-validate", path)
