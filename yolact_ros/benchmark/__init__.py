"""One measurement: how long a frame takes on this machine, and what it takes."""
