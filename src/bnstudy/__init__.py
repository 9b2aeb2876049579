"""bnstudy: a replication of The Effect of Batch Normalization on Deep Convolutional Neural Networks (KTH, 2016)."""

__version__ = "0.1.0"
