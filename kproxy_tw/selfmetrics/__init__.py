"""What kproxy counts of itself, told to the backend, and to syslog, standard error or graphite.

``readings``   counters by name, read from the ledgers;
``meters``     counts with their rates over 1, 5 and 15 minutes;
``forms``      meters as JSON for ``/tsdb``, as graphite's lines, as lines of a log;
``client``     posts to the backend, and sends to graphite;
``service``    does so now and then.
"""
