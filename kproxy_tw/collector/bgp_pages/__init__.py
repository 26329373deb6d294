"""What people and programs read of the BGP sessions."""
