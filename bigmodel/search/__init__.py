"""How settings are found: trials of a declared space, stopped early, on a record that survives."""
