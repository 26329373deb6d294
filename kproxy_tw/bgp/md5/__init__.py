"""TCP-MD5 (RFC 2385): keys stand on the listeners before a router's SYN is answered, and are learned from its SYNs.

Where things stand::

    syn          a TCP SYN as it was on the wire: who, to whom, signed or not (pure)
    digest       what the signature of a SYN must be under a key (pure)
    verdict      wrong key, no key, unexpected key: what a SYN and the backend's key say together (pure)
    record       what the capturing child tells, in records of one size (pure)
    keys         which key stands for which address or prefix (pure)
    questions    which addresses the backend is being asked about (pure)
    complaints   which lines the log gets, how often (pure)
    ring         the keys in force: table and listeners together (pure but for the listeners)
    learning     from SYNs, replies and connections to keys (pure)
    peers        what was last seen of each router's signature (pure)
    sockopt      the kernel's structures and constants (pure)
    netstat      the kernel's own counters (pure)
    capabilities what this process may do, and its least privilege
    store        keys on the listening sockets
    capture/     the child process that alone reads raw packets
    protocol     the parent's end of the child's pipe
    supervision  the child's life: started, watched, started again
    service      all of it together
"""
