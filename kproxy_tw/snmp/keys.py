"""Keys of version 3 from pass phrases (RFC 3414, A.2; RFC 7860; two drafts for AES with longer keys).

pysnmp makes the keys, encrypts and decrypts; the digests are the standard library's.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import attrs
from pysnmp.entity import config
from pysnmp.error import PySnmpError
from pysnmp.proto.rfc1902 import OctetString

from kproxy_tw.errors import MalformedInput
from kproxy_tw.snmp.settings import AuthProtocol, PrivProtocol, V3Credentials

MAX_MASTER_KEYS = 1024
"""Pass phrases whose digests are kept: making one takes some 10 ms."""


@attrs.frozen
class Digest:
    """An authentication protocol: its number in USM-MIB, its hash, and how many bytes of its digest are sent."""

    number: tuple[int, ...]
    hash_name: str
    length: int

    @property
    def service(self) -> Any:
        """What makes keys for it."""
        return config.AUTH_SERVICES[self.number]


DIGESTS = {
    AuthProtocol.MD5: Digest(config.USM_AUTH_HMAC96_MD5, "md5", 12),
    AuthProtocol.SHA: Digest(config.USM_AUTH_HMAC96_SHA, "sha1", 12),
    AuthProtocol.SHA224: Digest(config.USM_AUTH_HMAC128_SHA224, "sha224", 16),
    AuthProtocol.SHA256: Digest(config.USM_AUTH_HMAC192_SHA256, "sha256", 24),
    AuthProtocol.SHA384: Digest(config.USM_AUTH_HMAC256_SHA384, "sha384", 32),
    AuthProtocol.SHA512: Digest(config.USM_AUTH_HMAC384_SHA512, "sha512", 48),
}

CIPHERS: dict[PrivProtocol, Any] = {
    PrivProtocol.DES: config.PRIV_SERVICES[config.USM_PRIV_CBC56_DES],
    PrivProtocol.AES128: config.PRIV_SERVICES[config.USM_PRIV_CFB128_AES],
    PrivProtocol.AES192: config.PRIV_SERVICES[config.USM_PRIV_CFB192_AES_BLUMENTHAL],
    PrivProtocol.AES256: config.PRIV_SERVICES[config.USM_PRIV_CFB256_AES_BLUMENTHAL],
    PrivProtocol.AES192_REEDER: config.PRIV_SERVICES[config.USM_PRIV_CFB192_AES],
    PrivProtocol.AES256_REEDER: config.PRIV_SERVICES[config.USM_PRIV_CFB256_AES],
}


@attrs.frozen
class LocalizedKeys:
    """A user's keys for one engine; empty where they are not used. They never show in a ``repr``."""

    auth: AuthProtocol
    priv: PrivProtocol
    auth_key: bytes = attrs.field(repr=False)
    priv_key: bytes = attrs.field(repr=False)

    @property
    def digest_length(self) -> int:
        """Bytes of a digest in a message; 0 without authentication."""
        return 0 if self.auth is AuthProtocol.NONE else DIGESTS[self.auth].length

    def digest(self, message: bytes) -> bytes:
        """The digest of a message whose own digest is zeros."""
        protocol = DIGESTS[self.auth]
        return hmac.digest(self.auth_key, message, protocol.hash_name)[: protocol.length]

    def encrypt(self, plain: bytes, boots: int, time: int) -> tuple[bytes, bytes]:
        """Encrypted bytes, and the salt that goes with them."""
        encrypted, salt = CIPHERS[self.priv].encrypt_data(OctetString(self.priv_key), (boots, time, None), plain)
        return bytes(encrypted), bytes(salt)

    def decrypt(self, encrypted: bytes, boots: int, time: int, salt: bytes) -> bytes:
        """Plain bytes, perhaps with padding behind. :raises MalformedInput: salt or length do not fit."""
        try:
            plain = CIPHERS[self.priv].decrypt_data(
                OctetString(self.priv_key), (boots, time, OctetString(salt)), OctetString(encrypted)
            )
        except PySnmpError:
            raise MalformedInput("what is encrypted cannot be decrypted") from None
        return bytes(plain)


class KeyRing:
    """Makes keys, and keeps the costly part of making them, within bounds."""

    def __init__(self) -> None:
        self._masters: OrderedDict[tuple[str, str], Any] = OrderedDict()

    def keys(self, user: V3Credentials, engine_id: bytes) -> LocalizedKeys:
        """The user's keys for an engine."""
        if user.auth is AuthProtocol.NONE:
            return LocalizedKeys(user.auth, user.priv, b"", b"")
        protocol = DIGESTS[user.auth]
        service = protocol.service
        engine = OctetString(engine_id)
        auth_master = self._master(user.auth, user.auth_pass_phrase, service.hash_passphrase)
        auth_key = bytes(service.localize_key(auth_master, engine))
        if user.priv is PrivProtocol.NONE:
            return LocalizedKeys(user.auth, user.priv, auth_key, b"")
        # The privacy pass phrase goes through the same hash as the other.
        priv_master = self._master(user.auth, user.priv_pass_phrase, service.hash_passphrase)
        priv_key = bytes(CIPHERS[user.priv].localize_key(protocol.number, priv_master, engine))
        return LocalizedKeys(user.auth, user.priv, auth_key, priv_key)

    def _master(self, auth: AuthProtocol, pass_phrase: str, make: Callable[[bytes], Any]) -> Any:
        key = (auth.value, pass_phrase)
        master = self._masters.get(key)
        if master is None:
            # An empty one cannot be hashed, and no agent takes it (RFC 3414, 11.2): it will say so.
            master = self._masters[key] = make(pass_phrase.encode() or b"\0")
            if len(self._masters) > MAX_MASTER_KEYS:
                self._masters.popitem(last=False)
        return master
