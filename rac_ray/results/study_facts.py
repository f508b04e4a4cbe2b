"""What a study says of itself for people whom its results are shared with. Plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Licence:
    """Under which terms others may use something."""

    name: str = "unknown"
    """Identifier that Hugging Face knows, as in ``apache-2.0``; ``unknown``: nobody has said; ``other``: see ``title``
    and ``link``."""
    says: str = "Nobody has stated a licence. Ask whoever shares this before you use it."
    """The same in a sentence."""
    title: str = ""
    """Name of a licence that has no identifier."""
    link: str = ""
    """Address of such a licence."""


@dataclass(frozen=True)
class StudyFacts:
    """For model and data cards. A study that says nothing gets cards with what its records tell."""

    title: str = ""
    """Name of the study; empty: that of its sweep's folder."""
    summary: str = ""
    """What is asked, in a few sentences."""
    tags: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    """Addresses by what is there."""
    limits: tuple[str, ...] = ()
    """What the models, and numbers from them, do not show; a sentence each."""
    intended: tuple[str, ...] = ("To look at the results of this sweep, and to go on from them.",)
    """What the models are good for; a sentence each."""
    clips: str = "scaled as in its training"
    """What the numbers in a clip have to be for a model."""
    weights_licence: Licence = field(default_factory=Licence)
    citation: str = ""
    """BibTeX."""

    data_id: str = ""
    """The clips' name among datasets, as in ``my-clips``; empty: the study's name."""
    data_summary: str = ""
    """What the clips show, in a few sentences."""
    how_made: str = ""
    """How the clips came about."""
    data_licence: Licence = field(default_factory=Licence)
    may_be_shared: bool = False
    """Whether the clips themselves may be shared, so that their card says which files hold which of them."""
    domains: Mapping[str, str] = field(default_factory=dict)
    """What each domain shows."""
    splits: Mapping[str, str] = field(default_factory=dict)
    """What each split is for."""
    columns: Mapping[str, str] = field(
        default_factory=lambda: {
            "clip_id": "name of the clip",
            "label": "class, 0, 1 and so on",
            "frames": "the clip's pixels",
        }
    )
    """What is in each column of the shards."""
    differences: tuple[str, ...] = ()
    """Where the clips differ from what is written of them; a sentence each."""
