"""HTTP and WebSocket API of stage=serve, for other programs."""
