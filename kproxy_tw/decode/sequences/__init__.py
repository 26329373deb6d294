"""Loss that the exporter can prove: ``book`` has a session's sequences, ``stream`` is one."""
