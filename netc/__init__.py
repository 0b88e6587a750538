"""netc: compile, train and run declarative, Caffe-style networks on a CPU."""

__version__ = "0.1.0"
