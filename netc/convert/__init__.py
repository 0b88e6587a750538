"""Between file formats: .net, prototxt, .caffemodel, HDF5, safetensors; and to ONNX."""
