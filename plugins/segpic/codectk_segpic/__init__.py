"""SegPIC for codectk: region-adaptive transforms with a segmentation prior."""
