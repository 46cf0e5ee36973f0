"""What the larger commands do, apart from reading their arguments."""
