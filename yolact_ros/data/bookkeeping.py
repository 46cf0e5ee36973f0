"""What became of the annotations that are no plain objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from yolact_ros.data.segmentation import LeftOut


@dataclass
class Bookkeeping:
    """
    What became of the annotations that are no plain objects.

    :param left_out: reason -> annotation ids.
    :param regions: ids of those with a box but no mask, which are read as crowd regions.
    :param corners: ids of those whose box is x, y, x, y by its mask, and is replaced by it.
    :param unlike: ids of those whose box lies elsewhere than the mask.
    :param images: annotation id -> image id, for all of these.
    """

    left_out: dict[str, list[Any]] = field(default_factory=dict)
    regions: list[Any] = field(default_factory=list)
    corners: list[Any] = field(default_factory=list)
    unlike: list[Any] = field(default_factory=list)
    images: dict[Any, Any] = field(default_factory=dict)

    def leave_out(self, reason: LeftOut | str, name: Any, image_id: Any = None) -> None:
        """Add an annotation that is not used."""
        self.left_out.setdefault(str(reason), []).append(name)
        self.images[name] = image_id

    def lines(self) -> list[str]:
        """Return a sentence for each kind, with the first ids."""
        lines = [f'left out {len(ids)} annotations: {reason} (id {_first(ids)})'
                 for reason, ids in self.left_out.items()]
        if self.regions:
            lines.append(f'{len(self.regions)} objects have a box but no mask; their boxes are '
                         'ignored regions, neither learnt nor counted as false alarms '
                         f'(id {_first(self.regions)})')
        if self.corners:
            lines.append(f'{len(self.corners)} boxes are x, y, x, y instead of x, y, width, '
                         f'height; those of the masks are taken (id {_first(self.corners)})')
        if self.unlike:
            lines.append(f'{len(self.unlike)} boxes do not fit their masks; look at them '
                         f'(id {_first(self.unlike)})')
        return lines


def _first(ids: Sequence[Any], most: int = 3) -> str:
    """Return the first ids as text."""
    return ', '.join(map(str, ids[:most])) + (', ...' if len(ids) > most else '')
