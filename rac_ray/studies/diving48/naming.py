"""The question of Diving48, and names of its domains."""

from rac_ray.results.names import Domains, DomainWords

QUESTION = (
    "Does a video model that learned to tell dives apart look at how divers move, or at the looks of divers and "
    "background?"
)
NAMED: Domains = {
    "original": DomainWords("Original", "dives as they were filmed"),
    "s1": DomainWords("S1", "sharp divers, blurred background"),
    "s2": DomainWords("S2", "sharp boxes around divers, rest blurred"),
    "t": DomainWords("T", "divers painted over, background kept"),
    "control": DomainWords("Control", "the same frames without any edit"),
}
