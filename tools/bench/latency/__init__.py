"""One image at a time: netc against OpenCV and ONNX Runtime, from files (`python -m tools.bench.latency`)."""
