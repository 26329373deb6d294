"""What a SYN says about the keys on both sides. The words are those of the log."""

from __future__ import annotations

from enum import Enum

from kproxy_tw.bgp.md5.digest import proves
from kproxy_tw.bgp.md5.syn import Syn


class Verdict(Enum):
    """How a router's SYN and the backend's key go together."""

    SIGNED = "signed"
    UNSIGNED = "unsigned"
    WRONG_KEY = "wrong key"
    NO_KEY = "no key"
    UNEXPECTED_KEY = "unexpected key"
    OTHER_AUTHENTICATION = "TCP-AO"


EXPLANATIONS = {
    Verdict.WRONG_KEY: (
        "wrong key: the router signs with another key than the backend has for it, or an address translator stands"
        " between (the signature covers the addresses); make both passwords equal"
    ),
    Verdict.NO_KEY: (
        "no key: the router connects without TCP-MD5 signature, and the backend has a key for it; set the password on"
        " the router, or take it out at the backend"
    ),
    Verdict.UNEXPECTED_KEY: (
        "unexpected key: the router signs with TCP-MD5, and the backend has no key for it; set the password at the"
        " backend, or take it out on the router"
    ),
    Verdict.OTHER_AUTHENTICATION: (
        "TCP-AO: the router signs with TCP-AO, for which the backend has no keys; configure TCP-MD5 on the router"
    ),
}
"""What is wrong and what to do; verdicts that are not here are right."""


def judge(syn: Syn, key: bytes) -> Verdict:
    """Compare a SYN with the key that the backend has for its source, empty for none."""
    if syn.authentication_option:
        return Verdict.OTHER_AUTHENTICATION
    if not syn.digest:
        return Verdict.NO_KEY if key else Verdict.UNSIGNED
    if not key:
        return Verdict.UNEXPECTED_KEY
    return Verdict.SIGNED if proves(syn, key) else Verdict.WRONG_KEY
