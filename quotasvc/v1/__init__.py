"""The messages of the contract, generated from proto/quotasvc/v1 by `make proto`."""
