"""Who sends to us: the devices that the API knows, the sources it does not know, and the state of each exporter."""
