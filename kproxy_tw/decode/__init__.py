"""Flow protocols: from datagrams to columns.

:mod:`~kproxy_tw.decode.dispatch` looks at the version word and walks a datagram with the module of its protocol.
Walking steps over headers, takes templates in, and keeps each set of records as one slice of bytes. What the sampler
chooses becomes columns later, many datagrams at a time: :class:`~kproxy_tw.decode.layout.TemplateLayout` for
NetFlow and IPFIX.

What an exporter session has taught stands in :class:`~kproxy_tw.decode.templates.TemplateCache`: its templates
(``templatestore``, checked in ``specifiers``), the option tables of each domain (``optiondata``), the sets that came
before their template (``held``), and which source ports are told apart (``portsplit``). ``sampling`` finds the rate of
each record, ``names`` the texts for its numbers.

Where to look::

    walk      dispatch, alike (many datagrams at once), netflow5, netflow9, ipfix, templated (sets), sflow*, records
    templates templates, templatestore, specifiers, described, portsplit, room (bounds), held and released
    options   optionqueue (so many at once), optionrecords, optiondata (tables), samplers, names
    records   layout, plan, rows, varlen, spans, derive, clock, exporters, custom, columntypes, unknown, twoway,
              natevents
    rates     sampling
    packets   sections (IANA 313, 315), packet and packet_* (headers, tunnels, labels)
    sFlow     sflow (datagrams), sflow_samples, sflow_records, sflow_layout (columns), sflow_counters, sflow_sequence
    loss      sequence (a session), sequence_stream (one sequence)
    elements  elements, tables/*.csv
"""
