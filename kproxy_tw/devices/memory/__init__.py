"""What survives a restart: each exporter's templates, option tables and sequence numbers."""
