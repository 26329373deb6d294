"""What an exporter's templates tell: ``cache`` learns them, ``specifiers`` checks them, ``table`` keeps them."""
