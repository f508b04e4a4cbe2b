"""Divers in Diving48's frames: fine-tuning Mask R-CNN, and masks of all clips. Needs the extra ``segmentation``."""
