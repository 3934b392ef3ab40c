"""The frozen encoders that the embedded models share. They import torch."""
