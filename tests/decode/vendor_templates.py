"""Templates as vendors document them, and records with made-up values in them.

A field is written ``element:length`` or ``enterprise.element:length``; ``v`` is a variable length.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import attrs

from tests.decode.netflow_bytes import NOW, a_set, ipfix, number, template, v9

VARIABLE = 65535

_TEXT = """
cisco_asa_teardown 9
    148:4 8:4 7:2 10:2 12:4 11:2 14:2 4:1 176:1 177:1 225:4 226:4 227:2 228:2 233:1 33002:2 323:8 152:8 231:4
    232:4 298:4 299:4 33000:12 33001:12 40000:20
cisco_asa_create_ipv6 9
    148:4 27:16 7:2 10:2 28:16 11:2 14:2 4:1 178:1 179:1 281:16 282:16 227:2 228:2 233:1 33002:2 323:8 152:8
    33000:12 33001:12 40000:65
cisco_asa_8_4 9
    148:4 8:4 7:2 10:2 12:4 11:2 14:2 4:1 176:1 177:1 40001:4 40002:4 40003:2 40004:2 40005:1 33002:2 323:8
    152:8 85:4 33000:12 33001:12 40000:20
cisco_asr_nat 9
    8:4 225:4 12:4 226:4 7:2 227:2 11:2 228:2 234:4 4:1 230:1 323:8 283:4
cisco_nbar 9
    8:4 12:4 7:2 11:2 4:1 5:1 10:4 14:4 61:1 95:4 6:1 1:4 2:4 22:4 21:4
cisco_avc 10
    9.12236:4 9.12237:4 9.12240:2 9.12241:2 4:1 10:4 14:4 95:4 231:8 232:8 298:8 299:8 9.9268:4 9.12235:v
    152:8 153:8
cisco_ios_xr 9
    8:4 12:4 1:4 2:4 10:4 14:4 22:4 21:4 16:4 17:4 9:1 13:1 18:4 15:4 7:2 11:2 6:1 4:1 5:1 61:1 89:1 48:2
    234:4 235:4
cisco_ios_xr_mpls 9
    1:4 2:4 10:4 14:4 22:4 21:4 70:3 71:3 72:3 47:4 46:1 8:4 12:4 7:2 11:2 4:1 5:1 6:1 61:1
palo_alto 9
    1:8 2:8 4:1 5:1 6:1 7:2 8:4 10:4 11:2 12:4 14:4 21:4 22:4 32:2 61:1 148:8 233:1 136:1 225:4 226:4 227:2
    228:2 346:4 56701:32 56702:64
fortinet 9
    1:8 23:8 2:4 24:4 22:4 21:4 7:2 11:2 10:4 14:4 95:9 65:2 4:1 89:1 136:1 8:4 12:4 225:4 226:4 227:2 228:2
citrix_netscaler 10
    138:4 143:4 5951.128:4 5951.129:4 5951.132:8 5951.133:4 60:1 4:1 8:4 12:4 7:2 11:2 1:8 2:8 6:1 154:8 155:8
    10:4 14:4 5951.130:v 5951.142:v 5951.151:4
mikrotik 10
    60:1 152:8 153:8 2:8 1:8 10:4 14:4 4:1 5:1 6:1 56:6 57:6 8:4 12:4 15:4 9:1 13:1 7:2 11:2 32:2 225:4 226:4
    227:2 228:2 52:1 206:1
mikrotik_v9 9
    21:4 22:4 2:4 1:4 10:4 14:4 4:1 5:1 6:1 56:6 57:6 8:4 12:4 15:4 9:1 13:1 7:2 11:2 225:4 226:4 227:2 228:2
ubiquiti_edgerouter 9
    21:4 22:4 1:8 2:8 60:1 10:4 14:4 61:1 48:1 8:4 12:4 9:1 13:1 5:1 7:2 11:2 6:1 4:1 16:4 17:4
juniper_mx_inline 10
    8:4 12:4 5:1 4:1 7:2 11:2 32:2 10:4 58:2 9:1 13:1 16:4 17:4 15:4 6:1 14:4 52:1 53:1 61:1 152:8 153:8 136:1
    245:2 1:8 2:8 89:4
juniper_mx_mpls 10
    10:4 14:4 70:3 71:3 72:3 8:4 12:4 4:1 7:2 11:2 5:1 6:1 1:8 2:8 152:8 153:8
nokia_cflowd 10
    8:4 12:4 10:4 14:4 7:2 11:2 4:1 5:1 6:1 1:8 2:8 152:8 153:8 16:4 17:4 9:1 13:1 15:4 89:2 99:4
nokia_nat 10
    148:8 4:1 38:1 637.91:2 637.92:2 637.93:v 8:4 7:2 11:2 12:4 152:8
huawei_netstream 9
    8:4 12:4 1:4 2:4 10:4 14:4 22:4 21:4 15:4 16:4 17:4 7:2 11:2 6:1 4:1 5:1 9:1 13:1 61:1 60:1 62:16 234:4
    210:3
h3c_netstream_ipv6 9
    27:16 28:16 1:8 2:8 10:4 14:4 22:4 21:4 62:16 63:16 16:4 17:4 7:2 11:2 6:1 4:1 5:1 29:1 30:1
vmware_nsx 10
    8:4 12:4 7:2 11:2 4:1 10:4 14:4 1:8 2:8 152:8 153:8 61:1 136:1 351:8 6876.880:1 6876.881:4 6876.882:4
    6876.886:2 6876.887:2 6876.888:2 6876.889:1 6876.890:2
vmware_nsx_dfw 10
    56:6 80:6 8:4 12:4 7:2 11:2 4:1 1:8 2:8 233:1 239:1 6876.950:4 6876.951:16 6876.954:1 152:8 153:8
nprobe_v9 9
    1:4 2:4 23:4 24:4 8:4 12:4 7:2 11:2 4:1 5:1 6:1 22:4 21:4 57590:2 57591:16 57595:4 57659:32
nprobe_ipfix 10
    1:8 2:8 8:4 12:4 7:2 11:2 4:1 152:8 153:8 35632.118:2 35632.187:v 35632.180:v 35632.123:4
yaf 10
    152:8 153:8 1:8 29305.1:8 2:8 29305.2:8 27:16 28:16 7:2 11:2 4:1 136:1 6871.14:1 6871.15:1 29305.184:4
    58:2 6871.33:2 6871.40:2 293:v
barracuda 10
    8:4 12:4 7:2 11:2 4:1 10:4 14:4 1:8 2:8 29305.1:8 29305.2:8 10704.1:4 10704.2:1 10704.3:1 10704.4:v
    10704.8:4 10704.9:2
procera 10
    8:4 12:4 7:2 11:2 4:1 85:8 86:8 150:4 151:4 15397.1:v 15397.3:8 15397.4:8 15397.18:v 15397.38:4
ixia 10
    1:8 2:8 4:1 7:2 8:4 10:4 11:2 12:4 14:4 152:8 153:8 3054.110:4 3054.111:v 3054.125:4
softflowd_bidirectional 10
    8:4 12:4 150:4 151:4 1:8 29305.1:8 2:8 29305.2:8 7:2 11:2 10:4 14:4 4:1 6:1 29305.6:1 60:1 5:1 136:1
softflowd_v9 9
    8:4 12:4 21:4 22:4 1:4 2:4 10:4 14:4 7:2 11:2 4:1 6:1 60:1 5:1
"""
"""A vendor's name and version of the protocol, and below the fields."""


def _templates(text: str) -> dict[str, tuple[int, str]]:
    found: dict[str, tuple[int, str]] = {}
    name = ""
    for line in text.strip().splitlines():
        if line.startswith(" "):
            version, fields = found[name]
            found[name] = version, f"{fields} {line.strip()}".strip()
        else:
            name, version_text = line.split()
            found[name] = int(version_text), ""
    return found


TEMPLATES: Mapping[str, tuple[int, str]] = _templates(_TEXT)
"""Name to version and fields."""


@attrs.frozen
class Piece:
    """One field of a template and the bytes of one record in it.

    :ivar sent: its value, without the length byte of a variable-length field.
    """

    pen: int
    number: int
    length: int
    sent: bytes

    @property
    def value(self) -> int:
        """As a number."""
        return int.from_bytes(self.sent, "big")

    @property
    def specifier(self) -> tuple[int, ...]:
        """For ``netflow_bytes.template``."""
        return (self.number, self.length, self.pen) if self.pen else (self.number, self.length)

    @property
    def encoded(self) -> bytes:
        """In the record."""
        return number(len(self.sent), 1) + self.sent if self.length == VARIABLE else self.sent


TEXTS = {40000, 56701, 56702, 57591, 57659}
TIMES = {150: 1, 151: 1, 152: 1000, 153: 1000, 323: 1000}
"""Element to its units a second."""


def _sent(pen: int, element: int, length: int, row: int) -> bytes:
    digest = hashlib.sha256(f"{pen}.{element}/{row}".encode()).digest() * 4
    if (pen, element) in {(0, 4), (6876, 880)}:
        return bytes([6, 17][row : row + 1])
    if pen == 0 and element in TIMES:
        return number((NOW - row) * TIMES[element], length)
    if length == VARIABLE or (pen == 0 and element in TEXTS):
        text = digest.hex()[: 10 + row].encode()
        return text if length == VARIABLE else text.ljust(length, b"\0")
    if pen == 0 and element in (9, 13, 29, 30):
        return bytes([digest[0] % 25 + 8])
    return digest[:length]


def vendor_records(name: str) -> list[list[Piece]]:
    """Two records of a vendor's template."""
    fields = []
    for word in TEMPLATES[name][1].split():
        element, length = word.split(":")
        pen, _, plain = element.rpartition(".")
        fields.append((int(pen or 0), int(plain), VARIABLE if length == "v" else int(length)))
    return [[Piece(*field, _sent(*field, row)) for field in fields] for row in range(2)]


def vendor_datagrams(name: str) -> list[bytes]:
    """A datagram with the template, and one with the records."""
    records = vendor_records(name)
    data = [piece.encoded for record in records for piece in record]
    shape = template(300, *(piece.specifier for piece in records[0]))
    if TEMPLATES[name][0] == 9:
        return [v9(a_set(0, shape), uptime=5_000_000), v9(a_set(300, *data), count=2, uptime=5_000_000, sequence=1)]
    return [ipfix(a_set(2, shape)), ipfix(a_set(300, *data))]
