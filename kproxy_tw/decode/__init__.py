"""Flow protocols: from datagrams to columns.

:mod:`~kproxy_tw.decode.dispatch` looks at the version word and walks a datagram with the module of its protocol.
Walking steps over headers, takes templates in, and keeps each set of records as one slice of bytes. What the sampler
chooses becomes columns later, many datagrams at a time: :class:`~kproxy_tw.decode.layout.TemplateLayout` for
NetFlow and IPFIX.

What an exporter session has taught stands in :class:`~kproxy_tw.decode.templates.TemplateCache`: its templates
(``templatestore``, checked in ``specifiers``), the option tables of each domain (``optiondata``), the sets that came
before their template (``held``), and which source ports are told apart (``portsplit``). ``sampling`` finds the rate of
each record, ``names`` the texts for its numbers.
"""
