"""What can be read of a camera of the running node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from yolact_ros.ros.health.metrics import Figures
from yolact_ros.ros.node.parameters import Parameters


@dataclass(frozen=True)
class CameraStatus:
    """
    The node and one of its cameras at one moment.

    :param active: the lifecycle node is active.
    :param parameters: the snapshot that holds for the next image.
    :param model: description of the model, '' when there is none.
    :param outputs: resolved names of the result topics, none before the node is configured.
    :param listeners: somebody subscribes to one of them.
    :param reliable: the input subscription asks for reliable delivery.
    """

    active: bool
    parameters: Parameters
    model: str
    outputs: Sequence[str]
    listeners: bool
    reliable: bool
    figures: Figures
