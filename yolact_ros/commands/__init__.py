"""The `yolact` command: one file for each subcommand."""
