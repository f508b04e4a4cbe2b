"""What Diving48 adds to the results of every study: tables 1 to 7 and figures 5 and 6 of the paper."""

from collections.abc import Mapping

from rac_ray.results.analysis import Analysis
from rac_ray.results.figures import COMMON, Draw
from rac_ray.results.sheet import Sheet, rounded
from rac_ray.studies.diving48.attributes import attribute_summary, class_attributes
from rac_ray.studies.diving48.figures import figure5, figure6, table1
from rac_ray.studies.diving48.lists import VOCABULARY
from rac_ray.studies.diving48.tables import diving_table, domain_table, shown, shown_domains

DIVING_FIGURES: Mapping[str, Draw] = {
    "figure5": figure5,
    "figure6": figure6,
    "table1": table1,
    **{name: COMMON[name] for name in ("parameters", "profiles", "learning-curves")},
}


def dive_names(classes: int) -> list[str]:
    """Takeoff, somersaults, twists and position of the first ``classes`` kinds of dive."""
    return [" ".join(attributes) for attributes in VOCABULARY[:classes]]


def diving_sheets(analysis: Analysis) -> list[Sheet]:
    """Accuracy by domain, ratios and attributes, the paper's numbers beside ours."""
    answers = analysis.answers
    domains, ratios, attributes = domain_table(answers), diving_table(answers), class_attributes(analysis.tables)
    return [
        Sheet(
            "diving48-domains",
            "Diving48: top-1 in % [95% interval over seeds and clips; of three seeds or more], top-5, by domain",
            domains,
            shown_domains(domains),
        ),
        Sheet(
            "diving48",
            "Diving48: shape and texture accuracy over validation accuracy, and over each other, ours and the paper's "
            "(tables 1 to 5; a-h: mean over the experiments); * lowest T/V, not accompanied by T/S1 below 1 "
            "[95% interval over seeds and clips; of three seeds or more]",
            ratios,
            shown(ratios) if len(ratios) else ratios,
        ),
        Sheet(
            "attributes",
            "Diving48: five random clips of each class on S1, S2 and T: top-1 and top-5, and of the wrong answers on "
            "S1 and S2 the attributes that are right (tables 6 and 7; the paper's: four classes, other clips)",
            attributes,
            rounded(attribute_summary(attributes)),
        ),
    ]
