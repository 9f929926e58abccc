"""False activations: what a model writes while nobody speaks or signs (stage=benchmark)."""
