"""netc against PyTorch and ONNX Runtime: `python -m tools.bench` (needs torch, onnx and onnxruntime)."""
