"""One labelled image: read, checked, drawn from a data set."""
