"""Faults on purpose: each is done to the running daemons with several seeds, and the table says what survived.

``python -m faults flows|bgp [F1 F2 ...] [--seeds N] [--first N] [--at-once N]``; the numbers are those of the project's
reliability plan. Root is needed, for network namespaces; the same seed does the same thing at the same moment.
"""
