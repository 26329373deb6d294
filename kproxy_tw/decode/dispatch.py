"""Which protocol a datagram speaks, and the walk for it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from kproxy_tw.decode import ipfix, legacy, netflow5, netflow9
from kproxy_tw.decode.batch import walk_batch
from kproxy_tw.decode.blocks import Blocks
from kproxy_tw.decode.joined import JoinedDatagrams
from kproxy_tw.decode.options import AS_SENT, DecodeOptions
from kproxy_tw.decode.records import Walk
from kproxy_tw.decode.sequences.book import Counted, SequenceBook
from kproxy_tw.decode.sflow.walk import walk as walk_sflow
from kproxy_tw.decode.sflow.walk import walk_all as walk_all_sflow
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.errors import MalformedInput, UnknownVersion

FIRST_BYTES = {
    b"\x00\x05": "netflow5",
    b"\x00\x09": "netflow9",
    b"\x00\x0a": "ipfix",
    **{word: form.layout.flow_type for word, form in legacy.FORMATS.items()},
}
"""The version word of each protocol with a 16-bit one."""

SFLOW_5 = b"\x00\x00\x00\x05"
"""The 32-bit version word of sFlow version 5."""


def detect(data: bytes) -> str:
    """The flow type that a datagram's version word tells. :raises UnknownVersion: it is none that we decode."""
    found = FIRST_BYTES.get(data[:2])
    if found is not None:
        return found
    if data[:4] == SFLOW_5:
        return "sflow"
    raise UnknownVersion(f"the datagram begins with {data[:4].hex(' ') or 'nothing'}: no flow protocol that we know")


def walk(data: bytes, templates: TemplateCache, received_ns: int, options: DecodeOptions = AS_SENT) -> Walk:
    """Walk one datagram: find its records, learn its templates, decode nothing.

    :param data: the UDP payload.
    :param options: what the operator chose.
    :param templates: of the exporter that sent it.
    :param received_ns: when it came in, nanoseconds since 1970.
    :raises UnknownVersion: no protocol that we know.
    :raises MalformedInput: the header or the length is unusable; nothing of the datagram was taken.
    """
    flow_type = FIRST_BYTES.get(data[:2]) or detect(data)
    if flow_type == "netflow9":
        return netflow9.walk(data, templates, received_ns)
    if flow_type == "ipfix":
        return ipfix.walk(data, templates, received_ns)
    if flow_type == "netflow5":
        return netflow5.walk(data, received_ns)
    if flow_type == "sflow":
        return walk_sflow(data, received_ns, options)
    return legacy.walk(data, received_ns)


def walk_all(
    datagrams: Sequence[bytes],
    templates: TemplateCache,
    received_ns: Sequence[int],
    sequences: SequenceBook | None = None,
    options: DecodeOptions = AS_SENT,
    blocks: Blocks | None = None,
) -> tuple[list[Walk], list[MalformedInput]]:
    """Walk datagrams of one exporter in the order in which they came; those that are alike together.

    :param received_ns: when each came in, nanoseconds since 1970.
    :param sequences: of the exporter; learns what is missing.
    :param blocks: memory for what is joined; ``None``: the heap.
    :return: what they hold, and the problem of each datagram of which nothing could be taken.
    """
    if all(data[:4] == SFLOW_5 for data in datagrams):
        walks, problems = walk_all_sflow(datagrams, received_ns, options)
    else:
        counted = None if sequences is None else Counted(len(datagrams))
        joined = JoinedDatagrams(datagrams, received_ns, blocks)
        if all(data[:2] == netflow5.VERSION_WORD for data in datagrams):
            walks, problems = netflow5.walk_all(datagrams, received_ns, counted)
        else:
            one = partial(walk, options=options)
            walks, problems = walk_batch(datagrams, joined, templates, one, counted)
        if sequences is not None and counted is not None:
            sequences.take(joined, counted)
    if sequences is not None:
        for walked in walks:
            if walked.sflow is not None:
                sequences.sflow(walked.sflow.sequences)
    return walks, problems
