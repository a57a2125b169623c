"""Who stands in which region: the layout customized as pure arithmetic.

In: regions, and the pictures that can be shown, in their order. Out: for each region the picture that is in it.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

from egress_recorder.capture.config import Region

T = TypeVar("T", bound=Hashable)


def stand(regions: Sequence[Region], pictures: Mapping[T, str]) -> dict[T, Region]:
    """Give each picture its region; those that have none are left out.

    Args:
        regions: as they were asked for.
        pictures: the pictures in their order, each with whose it is.
    """
    left = list(pictures)
    found: dict[T, Region] = {}
    for region in regions:
        mine = next((one for one in left if region.user is not None and pictures[one] == region.user), None)
        if mine is not None:
            left.remove(mine)
            found[mine] = region
    named = {region.user for region in regions if region.user is not None}
    others = [one for one in left if pictures[one] not in named]
    for region in regions:
        if region.slot is not None and region.slot <= len(others):
            found.setdefault(others[region.slot - 1], region)
    return found
