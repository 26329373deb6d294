"""The command line: flag tables, what is made from them, and the start of each daemon.

=================  ====================================================================
``flags``          what a flag is, and how its text becomes a value
``flags_*``        the tables: one per daemon, the single source of all the following
``commandline``    the parser
``reference``      ``-h`` text and ``docs/flags.rst``
``options``        ``Options`` for twistd: values, their origin, warnings, masking
``startup``        from ``Options`` to a running service; failures in one line
``reactors``       the asyncio reactor with a monotonic clock
``signals``        SIGTERM and SIGINT end in exit status 0
``logs``           one line per event, by level, at a bounded rate
``writers``        threads that write log lines, so that a blocked sink blocks nothing else
``destinations``   syslog and logstash
``notify``         readiness and signs of life for systemd
``exits``          exit statuses and the one line before them
``background``     how a daemon tells the shell that it runs, or why not
``run``            the console scripts
=================  ====================================================================
"""
