"""OpenCV 5's, as far as the examples go: nothing for Caffe."""
