"""What model and data cards say of Diving48: whose videos they are, how its domains are made, what is not known."""

from rac_ray.results.study_facts import Licence, StudyFacts
from rac_ray.studies.citation import BIBTEX, PAPER

DATASET = "http://www.svcl.ucsd.edu/projects/resound/dataset.html"

FACTS = StudyFacts(
    title="Diving48 with its shapes and textures cut out",
    summary=(
        "Video models learn to name 48 kinds of dives and are then asked about the same test clips with the background "
        "blurred or the diver painted over. The question is what a model that recurs, attends or convolves over time "
        "has learned: the dive, or the pool. This is a new run, with new code, of sections 3.3 and 4.2 of Broomé et "
        "al., WACV 2023."
    ),
    tags=("diving48", "domain-shift", "robustness", "action-recognition"),
    links={"paper": PAPER, "Diving48": DATASET},
    limits=(
        "Checkpoints are chosen to be near a stated accuracy, so that models can be compared there. They are not the "
        "best that these architectures can do.",
        "The validation clips of the authors' split share recordings with the training clips.",
        "The edited clips depend on masks of the divers, which a network draws and which are not exact.",
        "Intervals from fewer than three seeds speak of the trained models, not of their architectures.",
    ),
    intended=(
        "To check the numbers of this sweep, and to compare further models or edits with them.",
        "Not to judge athletes or their dives.",
    ),
    clips="of 32 frames of 224 x 224 pixels, RGB in [0, 1] less ImageNet's mean, divided by its deviation",
    weights_licence=Licence(
        says="No licence is stated for these weights: they were trained on videos whose own terms nobody here can "
        "widen. Ask whoever shares this before you use them."
    ),
    citation=BIBTEX,
    data_id="diving48",
    data_summary="Short videos of dives from competitions, 48 classes of take-off, somersaults, twists and position.",
    how_made=(
        "The videos and lists are Diving48 V2 by Li, Li and Vasconcelos (RESOUND, ECCV 2018). 32 evenly spaced frames "
        "of each are kept as JPEG. The domains s1, s2, t and control are edited from the test clips with masks of the "
        "divers."
    ),
    data_licence=Licence(
        says=f"The videos are not part of this. Get them from their authors ({DATASET}), whose terms hold for them and "
        "for all that is made of them."
    ),
    domains={
        "original": "the videos as they are",
        "control": "the same frames, resized and encoded as the edited ones, and not edited",
        "s1": "background blurred, the two surest divers sharp within their masks",
        "s2": "background blurred, the two surest divers sharp within their boxes",
        "t": "all divers painted over with one colour",
    },
    splits={
        "train": "training, less the validation clips",
        "val": "choice of the checkpoint; part of the official training list",
        "test": "evaluation; the official test list",
    },
    columns={
        "clip_id": "name of the video",
        "split": "official split",
        "place": "number in the official list",
        "label": "class, 0 to 47",
        "label_name": "take-off, somersaults, twists and position",
        "source_video": "recording that the clip was cut from",
        "frames": "32 JPEG files",
    },
    differences=(
        "The paper reports one seed on Diving48; a sweep from several seeds has intervals that it does not have.",
        "The levels of accuracy of experiments e and f are inferred: the paper does not print them.",
        "What the paper calls boxes is where a mask is above zero, not a drawn rectangle.",
        "The paper does not say that edited clips went through a video encoder; the option --codec tells how much it "
        "matters.",
    ),
)
