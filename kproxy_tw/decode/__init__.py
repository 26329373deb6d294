"""Flow protocols: from datagrams to columns.

:mod:`~kproxy_tw.decode.dispatch` looks at the version word and walks a datagram with the module of its protocol.
Walking steps over headers, takes templates in, and keeps each set of records as one slice of bytes. What the sampler
chooses becomes columns later, many datagrams at a time: :class:`~kproxy_tw.decode.layout.TemplateLayout` for
NetFlow and IPFIX.
"""
