"""How bytes get in and out: each door serves the same method table."""
