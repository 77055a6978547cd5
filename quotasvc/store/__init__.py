"""The store: names keys, runs scripts, decodes replies; knows no gRPC."""
