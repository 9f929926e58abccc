"""The NaN guard: training steps that are not finite, and their post-mortems."""
