"""The bench in a few figures, for ``python -m benchmarks``."""

from benchmarks.figures import Figure
from benchmarks.moments.cases import Kind, Part
from benchmarks.moments.evaluation import finding, without_footage
from benchmarks.moments.product import CACHE, Product
from benchmarks.moments.recorded import recorded
from benchmarks.moments.report import total
from benchmarks.moments.scenarios import cases


def moment_figures() -> list[Figure]:
    """Measure F1 of strong moments by kind and over all, and false ones a minute of quiet video.

    Measured on the validation part, whose photos are in the requirements.
    """
    product = Product(CACHE / Part.VALIDATION)
    found = [finding(case, product.embed(without_footage(case))) for case in [*recorded(None), *cases(Part.VALIDATION)]]
    figures = []
    for kind in (*(kind for kind in Kind if kind is not Kind.QUIET), None):
        counts = total(one for one in found if kind is None or one.case.kind is kind)
        how = f"{counts.hits + counts.misses} events: {counts.hits} found, {counts.false} false"
        name = kind.value if kind else "all kinds"
        figures.append(Figure(f"moments, F1, {name}", counts.f1, "", "≥ 0.85" if kind else "≥ 0.9", how))
    quiet = total(one for one in found if one.case.kind is Kind.QUIET)
    how = f"{quiet.false} strong moments in {quiet.seconds / 60:.0f} minutes"
    return [*figures, Figure("moments, false ones, quiet", quiet.false_a_minute, " / minute", "≤ 0.1", how)]
