"""How the node is doing: counts, diagnostics, and the reason when nothing happens."""
