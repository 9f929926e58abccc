"""LightningModules, a file a task, on one base a kind of problem."""
