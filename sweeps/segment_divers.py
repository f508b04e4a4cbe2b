"""Divers in Diving48: fine-tune Mask R-CNN on the released frames, then make masks of all clips.

Broomé et al., WACV 2023, section 3.3 and supplemental: 303 frames, COCO weights, SGD, at most 100 epochs.

    python sweeps/segment_divers.py train FRAMES --out results/segmentation
    python sweeps/segment_divers.py masks data/diving48 --checkpoint results/segmentation/best.ckpt --out data/masks
"""

from rac_ray.cli.segment import segment_main

if __name__ == "__main__":
    segment_main(__doc__ or "")
