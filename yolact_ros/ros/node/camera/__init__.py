"""The cameras of the node: input, books and tracked objects of each, and whose turn it is."""
