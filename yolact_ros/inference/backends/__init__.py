"""What runs the network: torch with fused convolutions, or another runtime."""
