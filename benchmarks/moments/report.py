"""Tables in Markdown of what was counted."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.moments.cases import Case, Kind
from benchmarks.moments.scoring import Counts


@dataclass(frozen=True)
class Finding:
    """A case as one detector sees it: strong moments alone, and all that are listed."""

    case: Case
    strong: Counts
    listed: Counts
    ap: float = float("nan")


def by_kind(findings: Iterable[Finding]) -> str:
    rows = _grouped(findings, lambda finding: finding.case.kind.value)
    lines = [
        "| kind | videos | events | precision | recall | **F1** | F1 of all listed | frame AP | false / minute |",
        "| --- " * 9 + "|",
    ]
    whole = [finding for group in rows.values() for finding in group]
    for name, group in [*rows.items(), ("**all**", whole)]:
        strong, listed = (sum((getattr(one, part) for one in group), Counts()) for part in ("strong", "listed"))
        events = strong.hits + strong.misses
        ap = np.nanmean([one.ap for one in group]) if events else float("nan")
        figures = f"{strong.precision:.2f} | {strong.recall:.2f} | **{strong.f1:.2f}** | {listed.f1:.2f} | {ap:.2f}"
        if not events:
            figures = "– | – | – | – | –"
        lines.append(f"| {name} | {len(group)} | {events} | {figures} | {strong.false_a_minute:.2f} |")
    return "\n".join(lines)


def by_group(findings: Iterable[Finding], kind: Kind) -> str:
    """Tabulate recall (or false alarms a minute of quiet videos) by size, length or trouble."""
    rows = _grouped([one for one in findings if one.case.kind is kind], lambda finding: finding.case.group)
    cells = []
    for name, group in rows.items():
        strong = total(group)
        figure = (
            f"{strong.false_a_minute:.2f} / min"
            if kind is Kind.QUIET
            else f"{strong.hits} of {strong.hits + strong.misses}"
        )
        cells.append(
            f"{name}: {figure}" + ("" if kind is Kind.QUIET or not strong.false else f", {strong.false} false")
        )
    return f"{kind.value}: " + "; ".join(cells)


def f1_table(columns: Mapping[str, Iterable[Finding]], kinds: Iterable[Kind]) -> str:
    """Tabulate F1 of strong moments, a row a detector; of quiet videos the false ones a minute."""
    chosen = list(kinds)
    lines = ["| | " + " | ".join(kind.value for kind in chosen) + " |", "| --- " * (len(chosen) + 1) + "|"]
    for name, findings in columns.items():
        rows, cells = _grouped(findings, lambda finding: finding.case.kind.value), []
        for kind in chosen:
            strong = total(rows.get(kind.value, []))
            cells.append(f"{strong.false_a_minute:.2f} / min" if kind is Kind.QUIET else f"{strong.f1:.2f}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def total(findings: Iterable[Finding]) -> Counts:
    """Count over all findings of strong moments."""
    return sum((one.strong for one in findings), Counts())


def _grouped(findings: Iterable[Finding], key: Callable[[Finding], str]) -> dict[str, list[Finding]]:
    groups: defaultdict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        groups[key(finding)].append(finding)
    return dict(groups)
