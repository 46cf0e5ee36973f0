"""The network: backbone, FPN, heads, priors and their composition."""
