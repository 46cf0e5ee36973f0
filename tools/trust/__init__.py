"""What tries to break the package: fuzzers, a soak and interrupted commands."""
