"""The methods of the contract: bytes in, bytes out, and no transport."""
