"""GPUs without a GPU: a libnvidia-ml.so.1 of our own, its control, and the comparison with nvidia-smi where one is."""
