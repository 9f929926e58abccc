"""Optional Lightning callbacks; training works without any of them."""
