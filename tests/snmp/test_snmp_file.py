"""``-snmp_file``: the documented examples, and what is wrong with others, told with line and device."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.errors import MalformedInput
from kproxy_tw.reload.listfile import BadFile
from kproxy_tw.snmp.inputs.file import parse_snmp_file
from kproxy_tw.snmp.settings import AuthProtocol, PrivProtocol, Version

DOCUMENTED_V2 = """{
"devices": [
{
"device_id": 2466,
"snmp_comm": "device 2466 community string",
"snmp_ip": "192.0.2.1"
},
{
"device_id": 2681,
"snmp_comm": "device 2681 community string",
"snmp_ip": "192.0.2.2",
"minimize_snmp": true
}
]
}"""

DOCUMENTED_V3 = r"""{
"devices": [
{
"device_id": 3030,
"snmp_comm": "device 3030 community string",
"snmp_ip": "192.0.2.3",
"minimize_snmp": false,
"snmp_v3": "{\"UserName\":\"SNMPv3-Admin\",\"AuthenticationProtocol\":\"SHA\",\"AuthenticationPassphrase\":\"big_secret\",\"PrivacyProtocol\":\"AES\",\"PrivacyPassphrase\":\"unguessable\"}"
}
]
}"""  # noqa: E501 - as it is documented


def test_the_documented_file_of_version_2c() -> None:
    """Two devices, the second one minimized."""
    entries = parse_snmp_file(DOCUMENTED_V2.encode())
    assert [(key, one.address, one.port, one.community, one.minimize) for key, one in entries.items()] == [
        (2466, "192.0.2.1", 161, "device 2466 community string", False),
        (2681, "192.0.2.2", 161, "device 2681 community string", True),
    ]
    assert {one.version for one in entries.values()} == {Version.V2C}


def test_the_documented_file_of_version_3() -> None:
    """The user stands in a JSON text inside of the JSON."""
    entry = parse_snmp_file(DOCUMENTED_V3.encode())[3030]
    assert entry.version is Version.V3
    assert entry.v3 is not None
    assert (entry.v3.user, entry.v3.auth, entry.v3.priv) == ("SNMPv3-Admin", AuthProtocol.SHA, PrivProtocol.AES128)
    assert (entry.v3.auth_pass_phrase, entry.v3.priv_pass_phrase) == ("big_secret", "unguessable")


def test_a_user_may_be_an_object_and_minimized_a_text() -> None:
    """Both are found in the wild; a port and an IPv6 address, too."""
    user = {"UserName": "u", "AuthenticationProtocol": "NoAuth", "PrivacyProtocol": "NoPriv"}
    text = json.dumps(
        {"devices": [{"device_id": "7", "snmp_ip": "[2001:db8::1]:1161", "minimize_snmp": "true", "snmp_v3": user}]}
    )
    entry = parse_snmp_file(text.encode())[7]
    assert (entry.address, entry.port, entry.minimize) == ("2001:db8::1", 1161, True)
    assert entry.v3 is not None
    assert entry.v3.level == "noAuthNoPriv"


GOOD = '{"device_id": 1, "snmp_comm": "c", "snmp_ip": "192.0.2.1"}'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1: no valid JSON"),
        ("[]", "line 1: no valid JSON: '{' is expected"),
        ("{}", 'there is no "devices"'),
        ('{"devices": []} x', "line 1: something follows the end"),
        ('{"devices": [],\n "other": 1}', "line 2: 'other' is no key of the file"),
        ('{"devices": [],\n "devices": []}', "line 2: 'devices' is there twice"),
        (f'{{"devices": [{GOOD},\n{GOOD}]}}', "line 2: device 1 is there twice"),
        (f'{{"devices": [{GOOD}\n{GOOD}]}}', "line 2: no valid JSON: ',' is expected"),
        (
            '{"devices": [\n{"device_id": 1,\n"device_id": 2}]}',
            "line 3, device 1: 'device_id' is there twice",
        ),
        ('{"devices": [\n{"device_id": 1,\n"snmp_comm": "c"\n"snmp_ip": "x"}]}', "line 4, device 1: no valid JSON"),
        (
            '{"devices": [\n{"snmp_v3": {"UserName": "a",\n"UserName": "b"},\n"snmp_ip": "x"}]}',
            "line 3: 'UserName' is there twice",
        ),
        ('{"devices": [\n{"device_id": 1,\n"snmp_com": "x"}]}', "line 3, device 1: 'snmp_com' is no key of a device"),
        ('{"devices": [\n{"device_id": 1, "snmp_comm": "x"}]}', "line 2, device 1: snmp_ip is missing"),
        ('{"devices": [\n{"device_id": 1,\n "snmp_ip": "router.example"}]}', "line 3, device 1: snmp_ip is no IP"),
        ('{"devices": [\n{"device_id": 1, "snmp_ip": "192.0.2.1"}]}', "line 2, device 1: snmp_comm is missing"),
        ('{"devices": [\n{"snmp_comm": "x", "snmp_ip": "192.0.2.1"}]}', "line 2: device_id is missing"),
        (
            '{"devices": [{"device_id": 1, "snmp_comm": "x", "snmp_ip": "192.0.2.1",\n"minimize_snmp": "yes"}]}',
            "line 2, device 1: minimize_snmp must be one of true, false",
        ),
        (
            '{"devices": [{"device_id": 1, "snmp_comm": "x", "snmp_ip": "192.0.2.1",\n"snmp_v3": "{\\"User\\":}"}]}',
            "line 2, device 1: snmp_v3 is no JSON: Expecting value at character 9",
        ),
        (
            '{"devices": [{"device_id": 1, "snmp_ip": "192.0.2.1",\n"snmp_v3": {"UserName": "u",'
            ' "AuthenticationProtocol": "SHA", "AuthenticationPassphrase": "p", "PrivacyProtocol": "ROT13"}}]}',
            "line 2, device 1: snmp_v3 PrivacyProtocol must be one of NoPriv, DES, AES,",
        ),
        (
            '{"devices": [{"device_id": 1, "snmp_ip": "192.0.2.1",\n"snmp_v3": {"UserName": "u",'
            ' "AuthenticationProtocol": "NoAuth", "PrivacyProtocol": "DES", "PrivacyPassphrase": "p"}}]}',
            "line 2, device 1: snmp_v3 PrivacyProtocol needs an AuthenticationProtocol",
        ),
    ],
)
def test_what_is_wrong_is_told_with_line_and_device(text: str, problem: str) -> None:
    """Whoever edits the file finds the place."""
    with pytest.raises(BadFile) as caught:
        parse_snmp_file(text.encode())
    assert problem in str(caught.value)


SECRETS = ("C4NARY-comm", "C4NARY-auth", "C4NARY-priv")


@pytest.mark.parametrize("broken", ["snmp_ip", "device_id", "minimize_snmp", "snmp_version", "snmp_v3", "snmp_comm"])
def test_no_error_repeats_a_secret(broken: str) -> None:
    """Not even when secrets stand where something else belongs."""
    user = {
        "UserName": "u",
        "AuthenticationProtocol": "MD5",
        "AuthenticationPassphrase": SECRETS[1],
        "PrivacyProtocol": "DES",
        "PrivacyPassphrase": SECRETS[2],
    }
    fields: dict[str, object] = {"device_id": 5, "snmp_ip": "192.0.2.1", "snmp_comm": SECRETS[0], "snmp_v3": user}
    fields[broken] = [SECRETS[0]] if broken == "snmp_comm" else SECRETS[0]
    with pytest.raises(BadFile) as caught:
        parse_snmp_file(json.dumps({"devices": [fields]}).encode())
    assert not any(secret in str(caught.value) for secret in SECRETS)
    assert not any(secret in repr(caught.value.__context__) for secret in SECRETS)


def test_an_entry_shows_no_secret() -> None:
    """A ``repr`` may end up in a traceback."""
    shown = repr(parse_snmp_file(DOCUMENTED_V3.encode()))
    assert "big_secret" not in shown
    assert "unguessable" not in shown
    assert "community string" not in shown


def refusal(content: bytes) -> MalformedInput | None:
    """Why a file is refused; anything else that it raises fails the test."""
    try:
        parse_snmp_file(content)
    except MalformedInput as problem:
        return problem
    return None


@given(st.binary(max_size=200) | st.text(alphabet='{}[]":,devicsnmp_0123 \n', max_size=120).map(str.encode))
def test_any_bytes_are_taken_or_refused(content: bytes) -> None:
    """Nothing but ``BadFile`` comes out."""
    problem = refusal(content)
    assert problem is None or (isinstance(problem, BadFile) and str(problem).isprintable())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["devices", "device_id", "snmp_comm", "snmp_ip", "snmp_v3", "minimize_snmp"])
                | st.text(max_size=5),
                inner,
                max_size=5,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_taken_or_refused(value: object) -> None:
    """Also when it is nearly right."""
    problem = refusal(json.dumps({"devices": [value]}).encode())
    assert problem is None or isinstance(problem, BadFile)
