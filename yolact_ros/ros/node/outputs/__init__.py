"""What leaves the node for one camera; nothing is made that nobody listens to."""
