"""quotasvc: quota decisions over gRPC."""
