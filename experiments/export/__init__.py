"""Export checkpoints to ONNX and PyTorch programs, verified against PyTorch."""
