"""What the paper says of Diving48 (section 4.2), as data: a new claim is one entry in a tuple."""

from rac_ray.results.claims import Claim, Contrast, Term, every, in_turn

SHAPE_DOMAINS = ("s1", "s2")
"""The domains that hold the class evidence, whose mean robustness the paper speaks of."""
_RECURRENT, _CONVOLVING, _ATTENTION = "convlstm", "cnn3d", "timesformer"
"""The paper's TimeSf has eight heads in a-d and is one model there."""


def _of(model: str, target: str | None, experiments: str, against: str | None = "source_val") -> Term:
    """A figure of one model; on S1 and S2 when no target is named."""
    return Term(model, "original", target or SHAPE_DOMAINS, against=against, experiments=experiments)


DIVING48 = (
    Claim(
        "diving-condensed",
        "ConvLSTM exhibits less texture bias and is more cross-domain robust than TimeSf and 3D CNN",
        "section 4.2, condensed results; T/V, T/S1 lower, and mean of S1/V and S2/V higher, experiments a-h",
        tuple(
            Contrast(_of(other, "t", "abcdefgh", against), _of(_RECURRENT, "t", "abcdefgh", against))
            for against in ("source_val", "s1")
            for other in (_CONVOLVING, _ATTENTION)
        )
        + every(
            [_of(_RECURRENT, None, "abcdefgh")],
            (_of(other, None, "abcdefgh") for other in (_CONVOLVING, _ATTENTION)),
        ),
    ),
    Claim(
        "diving-texture",
        "ConvLSTM drops the most for T, both relative to the validation (T/V) and to the S1 (T/S1) accuracies",
        "section 4.2, table 1; experiments a-h",
        tuple(
            Contrast(_of(other, "t", "abcdefgh", against), _of(_RECURRENT, "t", "abcdefgh", against))
            for against in ("source_val", "s1")
            for other in (_CONVOLVING, _ATTENTION)
        ),
    ),
    Claim(
        "diving-boxes",
        "ConvLSTM is also most robust to the S2 domain",
        "section 4.2, table 1; experiments a-h",
        every(
            [_of(_RECURRENT, "s2", "abcdefgh")],
            [_of(_CONVOLVING, "s2", "abcdefgh"), _of(_ATTENTION, "s2", "abcdefgh")],
        ),
    ),
    Claim(
        "diving-silhouettes",
        "the 3D CNN is most robust to the S1 domain",
        "section 4.2, table 1; experiments a-h",
        every(
            [_of(_CONVOLVING, "s1", "abcdefgh")],
            [_of(_RECURRENT, "s1", "abcdefgh"), _of(_ATTENTION, "s1", "abcdefgh")],
        ),
    ),
    Claim(
        "diving-layers-texture",
        "both TimeSf and the 3D CNN perform better on T than on S1 and S2, even if only the two latter contain class "
        "evidence",
        "section 4.2, figure 5 a-c, tables 2-4",
        tuple(
            Contrast(_of(model, "t", experiment, None), _of(model, shape, experiment, None))
            for experiment in "abc"
            for model in (_ATTENTION, _CONVOLVING)
            for shape in ("s1", "s2")
        ),
    ),
    Claim(
        "diving-layers-recurrent",
        "In contrast, ConvLSTM clearly drops for T",
        "section 4.2, figure 5 a-c, tables 2-4",
        tuple(
            Contrast(_of(_RECURRENT, shape, experiment, None), _of(_RECURRENT, "t", experiment, None))
            for experiment in "abc"
            for shape in ("s1", "s2")
        ),
    ),
    Claim(
        "diving-best-convolving",
        "the 3D CNN does not longer improve on the texture dataset relative to S1 and S2",
        "section 4.2, figure 5 d, table 5",
        every((_of(_CONVOLVING, shape, "d", None) for shape in ("s1", "s2")), [_of(_CONVOLVING, "t", "d", None)]),
    ),
    Claim(
        "diving-best-recurrent",
        "the drop on T is markedly larger for ConvLSTM",
        "section 4.2, figure 5 d, table 5",
        in_turn(
            (_of(_CONVOLVING, "t", "d", against) for against in ("source_val", "s1")),
            (_of(_RECURRENT, "t", "d", against) for against in ("source_val", "s1")),
        ),
    ),
    Claim(
        "diving-equal-size",
        "Here, the 3D CNN is the most robust out of the three",
        "section 4.2, figure 6 e-h; S1/V and S2/V",
        tuple(
            Contrast(_of(_CONVOLVING, shape, "efgh"), _of(other, shape, "efgh"))
            for shape in ("s1", "s2")
            for other in (_RECURRENT, _ATTENTION)
        ),
    ),
    Claim(
        "diving-equal-size-texture",
        "ConvLSTM approaches the 3D CNN and drops more steeply for T in g-h, where the performance is higher",
        "section 4.2, figure 6 g-h; T/V",
        every([_of(_CONVOLVING, "t", "gh")], [_of(_RECURRENT, "t", "gh")]),
    ),
    Claim(
        "diving-equal-size-attention",
        "although least robust, TimeSf does not improve on T relative to S1 and S2 any more",
        "section 4.2, figure 6 e-h",
        tuple(
            Contrast(_of(other, shape, "efgh"), _of(_ATTENTION, shape, "efgh"))
            for shape in ("s1", "s2")
            for other in (_RECURRENT, _CONVOLVING)
        )
        + every((_of(_ATTENTION, shape, "efgh", None) for shape in ("s1", "s2")), [_of(_ATTENTION, "t", "efgh", None)]),
    ),
)
