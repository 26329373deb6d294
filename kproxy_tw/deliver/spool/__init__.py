"""What waits for the backend, on disk: it survives a slow backend, a stop, and a crash.

``record``   one message and its checksums;
``segment``  a file of records, appended to, never rewritten;
``shelf``    the segments of a directory;
``tally``    what the books said last, beside the segments;
``store``    who has which record out: caps, oldest first, what is done is removed;

All of it is plain blocking code for one thread of its own; the reactor's thread never enters it.
"""
