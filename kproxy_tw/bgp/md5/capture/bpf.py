"""The packet filter that runs in the kernel (classic BPF): SYNs without ACK to our ports, addressed to this host.

The program sees packets from their IP header on, as a socket of kind ``SOCK_DGRAM`` gives them.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Sequence

import attrs

from kproxy_tw.bgp.md5.syn import ACK_FLAG, FLAGS_OFFSET, MOST_CAPTURED, PROTOCOL_TCP, SYN_FLAG

LD_BYTE, LD_HALF, LD_BYTE_X, LD_HALF_X, LDX_HEADER, LDX_NUMBER, ALU_AND, JUMP_EQUAL, JUMP_BITS, RETURN = (
    0x30,  # BPF_LD | BPF_B | BPF_ABS
    0x28,  # BPF_LD | BPF_H | BPF_ABS
    0x50,  # BPF_LD | BPF_B | BPF_IND
    0x48,  # BPF_LD | BPF_H | BPF_IND
    0xB1,  # BPF_LDX | BPF_B | BPF_MSH: four times the low half of a byte
    0x01,  # BPF_LDX | BPF_IMM
    0x54,  # BPF_ALU | BPF_AND | BPF_K
    0x15,  # BPF_JMP | BPF_JEQ | BPF_K
    0x45,  # BPF_JMP | BPF_JSET | BPF_K
    0x06,  # BPF_RET | BPF_K
)
"""``linux/bpf_common.h``."""

PACKET_TYPE = 0xFFFFF000 + 4
"""``SKF_AD_OFF + SKF_AD_PKTTYPE``; 0 is ``PACKET_HOST``, which leaves out what this host sends itself."""

IPV4_PROTOCOL, IPV4_FRAGMENT, FRAGMENT_BITS = 9, 6, 0x3FFF
IPV6_NEXT, IPV6_HEADER = 6, 40
MOST_PORTS = 16

INSTRUCTION_BYTES = 8
SO_ATTACH_FILTER, SO_LOCK_FILTER = 26, 44
"""``asm-generic/socket.h``; not in :mod:`socket`."""

NEXT = ""
DROP, TAKE = "drop", "take"


@attrs.frozen
class Step:
    """One instruction; ``yes`` and ``no`` name the labels it jumps to, empty for the next step."""

    code: int
    number: int
    yes: str = NEXT
    no: str = NEXT
    label: str = ""


def program(ports: Sequence[int]) -> list[Step]:
    """The filter. :raises ValueError: no port, or too many of them."""
    if not 0 < len(ports) <= MOST_PORTS:
        raise ValueError(f"1 to {MOST_PORTS} ports can be watched, not {len(ports)}")
    return [
        Step(LD_BYTE, PACKET_TYPE),
        Step(JUMP_EQUAL, 0, no=DROP),
        Step(LD_BYTE, 0),
        Step(ALU_AND, 0xF0),
        Step(JUMP_EQUAL, 0x40, yes="ipv4"),
        Step(JUMP_EQUAL, 0x60, no=DROP),
        Step(LD_BYTE, IPV6_NEXT),
        Step(JUMP_EQUAL, PROTOCOL_TCP, no=DROP),
        Step(LDX_NUMBER, IPV6_HEADER),
        Step(JUMP_EQUAL, PROTOCOL_TCP, yes="tcp", no="tcp"),
        Step(LD_BYTE, IPV4_PROTOCOL, label="ipv4"),
        Step(JUMP_EQUAL, PROTOCOL_TCP, no=DROP),
        Step(LD_HALF, IPV4_FRAGMENT),
        Step(JUMP_BITS, FRAGMENT_BITS, yes=DROP),
        Step(LDX_HEADER, 0),
        Step(LD_BYTE_X, FLAGS_OFFSET, label="tcp"),
        Step(ALU_AND, SYN_FLAG | ACK_FLAG),
        Step(JUMP_EQUAL, SYN_FLAG, no=DROP),
        Step(LD_HALF_X, 2),
        *(Step(JUMP_EQUAL, port, yes=TAKE) for port in ports),
        Step(RETURN, 0, label=DROP),
        Step(RETURN, MOST_CAPTURED, label=TAKE),
    ]


def assemble(steps: Sequence[Step]) -> bytes:
    """``struct sock_filter`` for each step."""
    places = {step.label: index for index, step in enumerate(steps) if step.label}

    def distance(label: str, index: int) -> int:
        return places[label] - index - 1 if label else 0

    return b"".join(
        struct.pack("=HBBI", step.code, distance(step.yes, index), distance(step.no, index), step.number)
        for index, step in enumerate(steps)
    )


def attach_filter(sock: socket.socket, ports: Sequence[int]) -> None:
    """Put the filter before a packet socket, for good.

    :raises OSError: the kernel refuses.
    :raises ValueError: no port, or too many of them.
    """
    instructions = assemble(program(ports))
    held = ctypes.create_string_buffer(instructions)  # must live until the kernel has read it
    option = struct.pack("@HP", len(instructions) // INSTRUCTION_BYTES, ctypes.addressof(held))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, option)
    sock.setsockopt(socket.SOL_SOCKET, SO_LOCK_FILTER, 1)
