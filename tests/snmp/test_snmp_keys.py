"""Keys of version 3 are those of the standards' examples."""

from __future__ import annotations

import pytest

from kproxy_tw.errors import MalformedInput
from kproxy_tw.snmp.keys import KeyRing
from kproxy_tw.snmp.settings import AuthProtocol, PrivProtocol, V3Credentials

ENGINE = bytes.fromhex("000000000000000000000002")
PASS_PHRASE = "maplesyrup"

LOCALIZED = {
    AuthProtocol.MD5: "526f5eed9fcce26f8964c2930787d82b",
    AuthProtocol.SHA: "6695febc9288e36282235fc7151f128497b38f3f",
}
"""RFC 3414, A.3.1 and A.3.2."""


@pytest.mark.parametrize("auth", LOCALIZED)
def test_localized_keys_of_rfc_3414(auth: AuthProtocol) -> None:
    """Pass phrase and engine id give the key of the example."""
    user = V3Credentials(user="u", auth=auth, auth_pass_phrase=PASS_PHRASE)
    assert KeyRing().keys(user, ENGINE).auth_key.hex() == LOCALIZED[auth]


def aes256(priv: PrivProtocol) -> str:
    """The key that a user with SHA and the example's pass phrase gets."""
    user = V3Credentials(
        user="u", auth=AuthProtocol.SHA, auth_pass_phrase=PASS_PHRASE, priv=priv, priv_pass_phrase=PASS_PHRASE
    )
    return KeyRing().keys(user, ENGINE).priv_key.hex()


def test_longer_keys() -> None:
    """The two drafts begin alike and go on differently; Reeder's first 40 bytes are those of its own example."""
    localized = LOCALIZED[AuthProtocol.SHA]
    blumenthal, reeder = aes256(PrivProtocol.AES256), aes256(PrivProtocol.AES256_REEDER)
    assert len(blumenthal) == len(reeder) == 64
    assert blumenthal.startswith(localized)
    assert blumenthal != reeder
    # draft-reeder-snmpv3-usm-3desede-00, B.2: the 32 byte key for SHA, "maplesyrup" and this engine.
    assert reeder == "6695febc9288e36282235fc7151f128497b38f3f9b8b6d78936ba6e7d19dfd9c"


@pytest.mark.parametrize("priv", [priv for priv in PrivProtocol if priv is not PrivProtocol.NONE])
def test_encryption_there_and_back(priv: PrivProtocol) -> None:
    """What is encrypted is decrypted with the same clock and salt, and with no other."""
    user = V3Credentials(
        user="u", auth=AuthProtocol.SHA512, auth_pass_phrase=PASS_PHRASE, priv=priv, priv_pass_phrase="othersyrup"
    )
    keys = KeyRing().keys(user, ENGINE)
    encrypted, salt = keys.encrypt(b"plain text that is no multiple of eight", 3, 99)
    assert keys.decrypt(encrypted, 3, 99, salt).startswith(b"plain text that is no multiple of eight")
    with pytest.raises(MalformedInput):
        keys.decrypt(encrypted, 3, 99, b"short")


def test_nothing_secret_in_a_repr() -> None:
    """Neither pass phrases nor keys."""
    user = V3Credentials(
        user="u", auth=AuthProtocol.SHA, auth_pass_phrase="canary-a", priv=PrivProtocol.DES, priv_pass_phrase="canary-p"
    )
    keys = KeyRing().keys(user, ENGINE)
    assert "canary" not in repr(user)
    assert keys.auth_key.hex() not in repr(keys)
    assert repr(keys.auth_key) not in repr(keys)
