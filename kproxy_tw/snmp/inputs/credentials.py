"""Users of SNMP version 3 as the API, the file and ``-snmp_v3`` write them.

Values never appear in an error: some of them are secrets, and a field may hold another one's by mistake.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from kproxy_tw.errors import MalformedInput
from kproxy_tw.reload.listfile import shown, unique_object
from kproxy_tw.snmp.settings import AuthProtocol, PrivProtocol, V3Credentials

MAX_TEXT = 255
MAX_JSON = 16_384
MAX_ENGINE_ID = 32
"""Bytes of an engine id (RFC 3411 section 5, SnmpEngineID)."""

KEYS = frozenset(
    {
        "UserName",
        "AuthenticationProtocol",
        "AuthenticationPassphrase",
        "PrivacyProtocol",
        "PrivacyPassphrase",
        "ContextName",
        "ContextEngineID",
    }
)

AUTH_NAMES: Mapping[str, AuthProtocol] = {
    **{re.sub("[^a-z0-9]", "", one.value.lower()): one for one in AuthProtocol},
    "": AuthProtocol.NONE,
    "none": AuthProtocol.NONE,
    "sha1": AuthProtocol.SHA,
}
"""By their names in small letters, without dashes."""

PRIV_NAMES: Mapping[str, PrivProtocol] = {
    **{re.sub("[^a-z0-9]", "", one.value.lower()): one for one in PrivProtocol},
    "": PrivProtocol.NONE,
    "none": PrivProtocol.NONE,
    "aes128": PrivProtocol.AES128,
}

Known = TypeVar("Known", AuthProtocol, PrivProtocol)


def v3_credentials(value: object) -> V3Credentials:
    """A user, from an object or its JSON text.

    :raises MalformedInput: a field is missing, unknown or of the wrong kind, or the protocols do not go together.
    """
    fields = _object(value)
    unknown = sorted(set(fields) - KEYS)
    if unknown:
        raise MalformedInput(f"{shown(unknown[0])} is no key of it; there are {', '.join(sorted(KEYS))}")
    auth = _protocol(fields, "AuthenticationProtocol", AUTH_NAMES)
    priv = _protocol(fields, "PrivacyProtocol", PRIV_NAMES)
    if priv is not PrivProtocol.NONE and auth is AuthProtocol.NONE:
        raise MalformedInput("PrivacyProtocol needs an AuthenticationProtocol: SNMPv3 does not encrypt without one")
    return V3Credentials(
        user=_text(fields, "UserName", required=True),
        auth=auth,
        auth_pass_phrase=_text(fields, "AuthenticationPassphrase", required=auth is not AuthProtocol.NONE),
        priv=priv,
        priv_pass_phrase=_text(fields, "PrivacyPassphrase", required=priv is not PrivProtocol.NONE),
        context_name=_text(fields, "ContextName"),
        context_engine_id=_engine_id(_text(fields, "ContextEngineID")),
    )


def _object(value: object) -> Mapping[str, Any]:
    if isinstance(value, str):
        value = _parsed(value)
    if not isinstance(value, dict):
        raise MalformedInput("must be an object, or the JSON text of one")
    return value


def _parsed(text: str) -> object:
    if len(text) > MAX_JSON:
        raise MalformedInput(f"has {len(text)} characters, at most {MAX_JSON} are taken")
    try:
        return json.loads(text, object_pairs_hook=unique_object)
    except json.JSONDecodeError as problem:
        raise MalformedInput(f"is no JSON: {problem.msg} at character {problem.pos + 1}") from None
    except (ValueError, RecursionError):
        raise MalformedInput("is no JSON") from None


def _text(fields: Mapping[str, Any], key: str, *, required: bool = False) -> str:
    value = fields.get(key)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or (required and not value):
        raise MalformedInput(f"{key} must be a text" + (" that is not empty" if required else ""))
    if len(value) > MAX_TEXT:
        raise MalformedInput(f"{key} has {len(value)} characters, at most {MAX_TEXT} are taken")
    return value


def _protocol(fields: Mapping[str, Any], key: str, names: Mapping[str, Known]) -> Known:
    folded = re.sub("[^a-z0-9]", "", _text(fields, key).lower())
    if folded not in names:
        choices = ", ".join(dict.fromkeys(one.value for one in names.values()))
        raise MalformedInput(f"{key} must be one of {choices}")
    return names[folded]


def _engine_id(text: str) -> str:
    digits = text.removeprefix("0x").replace(":", "")
    try:
        size = len(bytes.fromhex(digits))
    except ValueError:
        raise MalformedInput("ContextEngineID must be hexadecimal") from None
    if size > MAX_ENGINE_ID:
        raise MalformedInput(f"ContextEngineID has {size} bytes, at most {MAX_ENGINE_ID} are taken")
    return digits.lower()
