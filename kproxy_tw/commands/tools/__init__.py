"""What a daemon's command does besides being the daemon.

``decode``, ``fields`` and ``replay`` are for captured flow packets; ``check``, ``doctor``, ``healthcheck`` and ``top``
look at the daemon itself, its surroundings, or one that runs.
"""
