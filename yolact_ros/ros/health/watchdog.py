"""Why nothing happens, in one line with the cure."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

SHARED_MEMORY_BYTES = 512 * 1024  # Fast DDS' default segment, of the publisher


class Level(IntEnum):
    """How bad it is; the numbers are those of diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2


@dataclass(frozen=True)
class Finding:
    """
    What the watchdog found.

    :param cause: short and without figures, so that it stays the same while the cause does.
    :param text: one line for people: what is wrong and what to do.
    """

    level: Level
    cause: str
    text: str


@dataclass(frozen=True)
class Endpoint:
    """One publisher of a topic."""

    node: str
    type_name: str
    reliable: bool


@dataclass(frozen=True)
class Observation:
    """
    What can be seen of the node's input and outputs.

    :param node: name of the node, fully resolved.
    :param topic: input topic, fully resolved.
    :param type_name: type the node expects on it, like 'sensor_msgs/msg/Image'.
    :param outputs: output topics, fully resolved.
    :param active: the lifecycle node is active.
    :param enabled: parameter enabled.
    :param listeners: somebody subscribes to an output.
    :param arrived: an image has arrived since the input was opened.
    :param silent_s: seconds since the newest image, or since the input was opened.
    :param reliable: the input subscription asks for reliable delivery.
    :param publishers: all publishers of the input topic, of any type.
    :param elsewhere: other topics that somebody publishes images on, with their types.
    :param image_bytes: size of the newest image, 0 before the first.
    :param mostly_lost: of the last second's images more got lost on the way than arrived.
    :param too_old: every image of the last seconds was skipped for its age.
    :param error: why the newest image was lost, '' when it was not.
    :param rivals: another node publishes the same outputs.
    :param input: name of the input before remapping.
    """

    node: str
    topic: str
    type_name: str
    outputs: Sequence[str] = ()
    active: bool = True
    enabled: bool = True
    listeners: bool = True
    arrived: bool = True
    silent_s: float = 0.0
    reliable: bool = False
    publishers: Sequence[Endpoint] = ()
    elsewhere: Sequence[tuple[str, str]] = ()
    image_bytes: int = 0
    mostly_lost: bool = False
    too_old: bool = False
    error: str = ''
    rivals: bool = False
    input: str = 'image'

    @property
    def may_be_too_large(self) -> bool:
        """Return True where the sender's shared memory may be what loses images."""
        return not self.reliable and not 0 < self.image_bytes <= SHARED_MEMORY_BYTES


def explain(seen: Observation, patience_s: float = 3.0) -> Finding:
    """
    Return why no result comes out, or that all is well.

    :param patience_s: silence that is still normal [s].
    """
    if not seen.active:
        return Finding(Level.WARN, 'inactive', f'not active; run: {activation(seen.node)} '
                       '(or start with autostart:=true)')
    if not seen.enabled:
        return Finding(Level.OK, 'disabled', 'disabled; call service ~/enable with data: true')
    if seen.topic in seen.outputs:
        return Finding(Level.WARN, 'own output', f'{seen.topic} is an output of this node, which '
                       f'would segment its own results; remap {seen.input} to the topic of the '
                       'camera')
    if not seen.listeners:
        return Finding(Level.OK, 'no listener', 'idle: nobody subscribes to '
                       + ', '.join(seen.outputs))
    if seen.silent_s > patience_s:
        return _explain_silence(seen)
    return _explain_stream(seen)


def _explain_stream(seen: Observation) -> Finding:
    """Return what is to be said of images that arrive."""
    if not seen.arrived:
        return Finding(Level.OK, 'waiting', f'waiting for the first image on {seen.topic}')
    if seen.error:
        return Finding(Level.ERROR, 'bad image', f'images on {seen.topic} are lost: {seen.error}')
    if seen.mostly_lost:
        return Finding(Level.WARN, 'lost on the way', f'most images on {seen.topic} get lost '
                       f'between the processes: {_cure_of_losses(seen)}')
    if seen.too_old:
        return Finding(Level.WARN, 'too old', f'every image on {seen.topic} is older than '
                       'max_image_age when it arrives: clocks differ, or a bag plays without '
                       'use_sim_time; set max_image_age to 0 to take all')
    if seen.rivals:
        return Finding(Level.WARN, 'name taken', f'another node publishes {seen.outputs[0]} too, '
                       'so there are two results for every image; stop one of them, or give it '
                       'another name: -r __node:=NAME')
    return Finding(Level.OK, 'running', f'images arrive on {seen.topic}')


def activation(node: str) -> str:
    """Return the commands that bring a lifecycle node up from nothing."""
    return (f'ros2 lifecycle set {node} configure (unless it is inactive already), then: '
            f'ros2 lifecycle set {node} activate')


def _explain_silence(seen: Observation) -> Finding:
    """Return why no image arrives."""
    if not seen.publishers:
        return Finding(Level.WARN, 'no publisher', f'no publisher on {seen.topic} '
                       f'({seen.type_name}); {_where_images_are(seen)}')
    matching = [each for each in seen.publishers if each.type_name == seen.type_name]
    if not matching:
        return _explain_type(seen)
    if seen.reliable and not any(each.reliable for each in matching):
        return Finding(Level.WARN, 'incompatible QoS', f'{_names(matching)} publishes '
                       f'{seen.topic} best effort, but image_qos asks for reliable; set image_qos '
                       'to auto or best_effort')
    cause = f'it sends nothing, or {_shared_memory_cure()}' if seen.may_be_too_large else \
        'it sends nothing (a driver that waits for its device, a paused recording?)'
    return Finding(Level.WARN, 'not arriving', f'{_names(matching)} announces {seen.topic}, but '
                   f'nothing arrives: {cause}')


def _cure_of_losses(seen: Observation) -> str:
    """Return what to do when images are sent and do not arrive."""
    if seen.may_be_too_large:
        return _shared_memory_cure()
    return ('they are small enough for shared memory, so network or processors are too busy; '
            'lower the rate or the size of the images, or use image_transport:=compressed')


def _shared_memory_cure() -> str:
    """Return what to do against the loss of large images."""
    return (f'images larger than {SHARED_MEMORY_BYTES // 1024} KiB do not fit the shared memory '
            f'of the sender; start the camera with {profile_variable()}={fastdds_profile()}, or '
            'let it publish reliable, or use image_transport:=compressed')


def _explain_type(seen: Observation) -> Finding:
    """Return the cure for a topic that carries something else."""
    other = seen.publishers[0].type_name
    cure = f'remap {seen.input} to a topic of that type'
    if other == 'sensor_msgs/msg/CompressedImage':
        base = seen.topic.removesuffix('/compressed')
        cure = f'start with image_transport:=compressed and {seen.input}:={base}'
    elif other == 'sensor_msgs/msg/Image':
        cure = f'start with image_transport:=raw and {seen.input}:={seen.topic}'
    return Finding(Level.WARN, 'wrong type', f'{seen.topic} carries {other} (from '
                   f'{_names(seen.publishers)}), not {seen.type_name}; {cure}')


def _where_images_are(seen: Observation) -> str:
    """Return which topics of the wanted type exist, else which image topics at all."""
    same = sorted(topic for topic, kind in seen.elsewhere if kind == seen.type_name)
    if same:
        return (f'topics of that type: {", ".join(same)}; remap with '
                f'-r {seen.input}:={same[0].removesuffix("/compressed")}')
    if seen.elsewhere:
        listed = ', '.join(f'{topic} ({kind})' for topic, kind in sorted(seen.elsewhere))
        other = 'compressed' if seen.type_name.endswith('/Image') else 'raw'
        return f'there is {listed}; start with image_transport:={other}'
    return 'no topic with images exists: is the camera running, with the same ROS_DOMAIN_ID?'


def _names(publishers: Sequence[Endpoint]) -> str:
    """Return the nodes behind publishers."""
    return ', '.join(sorted({each.node for each in publishers}))


def profile_variable() -> str:
    """Return the environment variable by which Fast DDS of this ROS distribution finds it."""
    older = os.environ.get('ROS_DISTRO') in ('humble', 'iron', 'jazzy')
    return 'FASTRTPS_DEFAULT_PROFILES_FILE' if older else 'FASTDDS_DEFAULT_PROFILES_FILE'


def fastdds_profile() -> str:
    """Return where the shared-memory profile of this package lies."""
    here = Path(__file__).resolve()
    places = [here.parents[3] / 'config',
              *(parent / 'share' / 'yolact_ros' / 'config' for parent in here.parents)]
    for place in places:
        if (place / 'fastdds.xml').is_file():
            return str(place / 'fastdds.xml')
    return '$(ros2 pkg prefix --share yolact_ros)/config/fastdds.xml'
