"""Flow protocols: from datagrams to columns.

:mod:`~kproxy_tw.decode.dispatch` looks at the version word and walks a datagram with the module of its protocol.
Walking steps over headers, takes templates in, and keeps each set of records as one slice of bytes. What the sampler
chooses becomes columns later, many datagrams at a time: :class:`~kproxy_tw.decode.layout.TemplateLayout` for
NetFlow and IPFIX.

What an exporter session has taught stands in :class:`~kproxy_tw.decode.templates.cache.TemplateCache`: its templates,
the option tables of each domain, the sets that came before their template, and which source ports are told apart.
``sampling`` finds the rate of each record, ``names`` the texts for its numbers.

Where to look::

    walk        dispatch, alike and heads (many datagrams at once), netflow5, netflow9, ipfix, templated (sets)
    templates/  cache (learns), table (bounded), specifiers (checks), described, portsplit, room, held, released
    optiondata/ queue (so many at once), records, domain (tables), samplers
    records     records (raw), layout, plan, rows, varlen, spans, derive, clock, exporters, custom, columntypes,
                unknown, twoway, natevents, names
    rates       sampling
    packet/     parse (headers, tunnels, labels); sections (IANA 313, 315) brings them here
    sflow/      walk (datagrams), samples, records, layout (columns), counters, sequence
    sequences/  book (a session), stream (one sequence)
    elements    elements, tables/*.csv
"""
