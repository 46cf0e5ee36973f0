"""The node in a browser: its overlay, objects, health and live parameters on one page."""
