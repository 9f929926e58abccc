"""False activations: answers of a model without speech or signs (stage=benchmark)."""
