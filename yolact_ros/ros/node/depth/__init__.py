"""The node's third dimension: depth images beside a camera's, places, clouds and boxes."""
