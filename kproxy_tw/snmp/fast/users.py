"""Users of version 3 as gufo-snmp wants them."""

from __future__ import annotations

from gufo.snmp.user import (
    Aes128Key,
    Aes192Key,
    Aes256Key,
    BaseAuthKey,
    BasePrivKey,
    DesKey,
    KeyExpansion,
    Md5Key,
    Sha1Key,
    Sha224Key,
    Sha256Key,
    Sha384Key,
    Sha512Key,
    User,
)

from kproxy_tw.snmp.settings import AuthProtocol, PrivProtocol, V3Credentials

AUTH_KEYS: dict[AuthProtocol, type[BaseAuthKey]] = {
    AuthProtocol.MD5: Md5Key,
    AuthProtocol.SHA: Sha1Key,
    AuthProtocol.SHA224: Sha224Key,
    AuthProtocol.SHA256: Sha256Key,
    AuthProtocol.SHA384: Sha384Key,
    AuthProtocol.SHA512: Sha512Key,
}
PRIV_KEYS: dict[PrivProtocol, type[BasePrivKey]] = {
    PrivProtocol.DES: DesKey,
    PrivProtocol.AES128: Aes128Key,
    PrivProtocol.AES192: Aes192Key,
    PrivProtocol.AES256: Aes256Key,
    PrivProtocol.AES192_REEDER: Aes192Key,
    PrivProtocol.AES256_REEDER: Aes256Key,
}
REEDER = {PrivProtocol.AES192_REEDER, PrivProtocol.AES256_REEDER}


def gufo_user(user: V3Credentials) -> User:
    """The same user."""
    auth, priv = AUTH_KEYS.get(user.auth), PRIV_KEYS.get(user.priv)
    return User(
        user.user,
        auth_key=None if auth is None else auth(user.auth_pass_phrase.encode()),
        priv_key=None if priv is None else priv(user.priv_pass_phrase.encode()),
        key_expansion=KeyExpansion.Cisco if user.priv in REEDER else KeyExpansion.Blumenthal,
    )
