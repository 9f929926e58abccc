"""The page of stage=serve: its content, its visitors and their uploads."""
