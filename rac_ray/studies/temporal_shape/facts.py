"""What model and data cards say of Temporal Shape: its clips, their licence, how they differ from the paper's text."""

from rac_ray.results.study_facts import Licence, StudyFacts
from rac_ray.studies.citation import BIBTEX, PAPER
from rac_ray.studies.temporal_shape.domains import FURTHER
from rac_ray.studies.temporal_shape.factors import FACTORS

DIGITS_LICENCE = "https://creativecommons.org/licenses/by-sa/3.0/"

FACTS = StudyFacts(
    title="Temporal Shape",
    summary=(
        "Small video models learn to name the path of one moving object: circle, spiral, line, rectangle or arc. They "
        "train on clips of one look and are then asked about clips of other looks. The question is whether a model "
        "that recurs, attends or convolves over time keeps more of its accuracy when only the looks change. This is a "
        "new run, with new code, of sections 3.2 and 4.1 of Broomé et al., WACV 2023."
    ),
    tags=("temporal-shape", "domain-shift", "robustness"),
    links={"paper": PAPER, "MNIST": "http://yann.lecun.com/exdb/mnist/", "the digits' licence": DIGITS_LICENCE},
    limits=(
        "The clips are drawn: 64 x 64 grey pixels, 20 frames, one object. The numbers say nothing of real videos.",
        "The models are small and were trained for this comparison only. Do not use them for anything else.",
        "A robustness ratio of raw accuracies also rewards a model that knows little: guessing is right in 20% of "
        "clips, or in 14% with seven shapes. Read the chance-corrected ratio beside it.",
        "Intervals from fewer than three seeds speak of the trained models, not of their architectures.",
    ),
    intended=(
        "To check the numbers of this sweep, and to compare further models, domains or recipes with them.",
        "To teach how accuracy falls when the looks of clips change and their motion does not.",
    ),
    clips="of 20 frames of 64 x 64 pixels with one channel, grey levels divided by 255",
    weights_licence=Licence(
        "apache-2.0",
        "The weights are under Apache-2.0, as the code. Models with the source mnist_bg were trained on clips that "
        "show MNIST digits (CC BY-SA 3.0); it is not settled whether a licence of training data reaches weights.",
    ),
    citation=BIBTEX,
    data_id="temporal-shape",
    data_summary=(
        "Clips of one object that moves on black or on noise. The class of a clip is the shape of the path: circle, "
        "spiral, line, rectangle or arc. Domains differ in what moves and in what is behind it."
    ),
    how_made=(
        "A program draws every clip. Clip number i of a domain's split follows from the seed, the domain, the split "
        "and i alone, so the same command gives the same pixels on any machine. Label, path, speed and look are drawn "
        "at random; walls reflect the object; each frame goes through JPEG at the stated quality."
    ),
    data_licence=Licence(
        "cc-by-sa-3.0",
        "Clips of the mnist domains show digits of MNIST by Yann LeCun, Corinna Cortes and Christopher J.C. Burges, "
        f"under CC BY-SA 3.0 ({DIGITS_LICENCE}), made smaller, moved, and put on a background. So these clips are "
        "under CC BY-SA 3.0, too. The generator and the clips of dots are under Apache-2.0.",
    ),
    may_be_shared=True,
    domains={
        "2dot": "a white square of 3 x 3 pixels on black",
        "5dot": "a white square of 5 x 5 pixels on black",
        "mnist": "an MNIST digit of 14 x 14 pixels on black",
        "mnist_bg": "an MNIST digit on Perlin noise at full intensity",
        "mnist_bg_half": "an MNIST digit on Perlin noise at half intensity",
        **{
            name: f"the clips of {further.base} but for one thing: {FACTORS[further.factor].looks}"
            for name, further in FURTHER.items()
        },
    },
    splits={
        "train": "training; MNIST's training digits",
        "val": "early stopping and choice of the checkpoint; MNIST's training digits",
        "test": "evaluation; MNIST's test digits",
        "paired": "counterfactual clips: clip i has the same path, digit and noise in all domains",
    },
    columns={
        "clip_id": "domain/split/number",
        "domain": "what moves and what is behind it",
        "split": "train, val, test or paired",
        "label": "class, 0 to 4; with the spec seven to 6",
        "label_name": "circle, spiral, line, rectangle or arc; with the spec seven zigzag and s, too",
        "frames": "20 x 64 x 64 bytes (long30: 30, long40: 40): time, rows (y), columns (x), grey levels 0 to 255",
        "x": "the object's column in each frame, in pixels",
        "y": "the object's row in each frame, in pixels",
        "speed": "pixels per frame; NaN for the spiral, whose speed grows",
        "radius": "of the path, in pixels: half a side of the rectangle, 0 for the line",
        "reflections": "how often a wall turned the object round",
        "visible_frames": "frames in which the object was drawn",
        "digit": "number of the MNIST image; -1 for squares",
        "octaves": "cells of noise along a side; 0 on black",
        "noise_seeds": "seed of the noise of each frame; empty on black",
        "drift_x": "pixels per frame that the noise moves to the right; 0 where it stands",
        "drift_y": "pixels per frame that the noise moves down; 0 where it stands",
    },
    differences=(
        "The spec 'released' follows the data that the authors released, 'paper' what their paper says; 'seven' is as "
        "'released', and has two further shapes.",
        "The paper's dots of 2 x 2 pixels are 3 x 3 in the released data.",
        "The paper's classes are balanced; in the released data labels are drawn at random.",
        "The released noise is new in every frame, from 15 seeds, with 1 to 9 cells a side; the paper has 1 to 10.",
        "In the released data a dot that reaches over the left or top border is not drawn in that frame.",
        "The released frames went through JPEG at quality 75; the paper does not say so.",
        "Noise is at full intensity where models of 2dot are tested on it, and at half where models are trained on it.",
        "The released generator had no seed, so its very pixels cannot be made again; ours has one.",
    ),
)
