"""Secrets that must not leave the process in any text: they are replaced in every form in which they may appear."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from urllib.parse import quote

MASK = "***"

SHORTEST = 4
"""A secret of fewer characters would take words apart that have nothing to do with it."""

_NAME = re.compile(r"token|pass|secret|community|authorization|cookie|snmp_v3|md5|api-?key", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Whether the value of what is called so must not be shown."""
    return _NAME.search(name) is not None


class Redaction:
    """Replaces live secrets in text.

    :param secrets: their values; empty ones are left out.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets if len(secret) >= SHORTEST for form in _forms(secret)}
        longest_first = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def clean(self, text: str) -> str:
        """``text`` without the secrets."""
        return text if self._pattern is None else self._pattern.sub(MASK, text)


def _forms(secret: str) -> set[str]:
    return {secret, quote(secret, safe=""), b64encode(secret.encode()).decode()}
