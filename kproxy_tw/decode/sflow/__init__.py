"""sFlow version 5: ``walk`` steps over datagrams, ``layout`` decodes the samples that were chosen."""
