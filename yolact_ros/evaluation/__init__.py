"""One number: how good the found objects are, against labels."""
