"""What a check finds: one sentence for each kind of fault, with a place to look and a cure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What becomes of it: nothing can be learnt, it is left out, someone should look, all is well.
ERROR, LEFT_OUT, LOOK, NOTE = 'error', 'left out', 'look', 'note'
KINDS = (ERROR, LEFT_OUT, LOOK, NOTE)


@dataclass(frozen=True)
class Finding:
    """
    One kind of fault.

    :param kind: one of KINDS.
    :param text: what is wrong, with its count.
    :param cure: what to do about it.
    :param file: the first one that has it.
    :param annotation: the first one in that file that has it.
    """

    kind: str
    text: str
    cure: str = ''
    file: Path | str = ''
    annotation: Any = None

    def lines(self) -> list[str]:
        """Return the finding for people."""
        places = [str(self.file)] if self.file else []
        if self.annotation is not None:
            places.append(f'annotation {self.annotation}')
        where = f', first {", ".join(places)}' if places else ''
        lines = [f'{self.kind + ":":<10}{self.text}{where}']
        return lines + ([f'          {self.cure}'] if self.cure else [])


def order(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings, the worst kind first."""
    return sorted(findings, key=lambda finding: KINDS.index(finding.kind))


def is_clean(findings: Sequence[Finding], strict: bool) -> bool:
    """
    Return whether a training may begin.

    :param strict: also what could be left out, or wants a look, is an error.
    """
    bad = (ERROR, LEFT_OUT, LOOK) if strict else (ERROR,)
    return not any(finding.kind in bad for finding in findings)
