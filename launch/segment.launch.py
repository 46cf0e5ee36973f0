# SPDX-FileCopyrightText: The yolact_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Start the segmentation node on a camera topic; only what is given here overrides the YAML."""

import os

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    LogInfo,
    OpaqueFunction,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

CONFIG = PathJoinSubstitution([FindPackageShare('yolact_ros'), 'config'])
SWITCH = ('true', 'false', 'True', 'False', 'TRUE', 'FALSE')
LEVELS = ('debug', 'info', 'warn', 'error', 'fatal', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL')
# The first name counts from ROS 2 Kilted on, the second before.
PROFILE_VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')

# What is not a parameter of the node: name -> (default, choices or None, description).
ARGUMENTS = {
    'image_topic': ('image', None, 'Camera topic; without leading slash it lies in namespace.'),
    'depth_topic': ('depth', None, 'Depth picture registered to image_topic, for use_depth.'),
    'camera_info_topic': ('', None, "Calibration of image_topic, for use_depth. '': camera_info "
                          'beside image_topic.'),
    'params_file': (PathJoinSubstitution([CONFIG, 'yolact.yaml']), None,
                    'YAML file with the parameters of the node.'),
    'namespace': ('', None, 'Namespace of the node.'),
    'name': ('yolact', None, 'Name of the node and first part of its topics.'),
    'log_level': ('info', LEVELS, 'Least severe log lines of the node to show.'),
    'fastdds_profile': ('auto', None, 'Fast DDS profile for large images: a path, none, or auto '
                        'for config/fastdds.xml unless the environment names another.'),
    'rqt': ('false', SWITCH, 'Show the overlay in rqt_image_view; of each of cameras in its own.'),
    'rviz': ('false', SWITCH, 'Show overlay, points and boxes in RViz; of each of cameras in its '
             'own.'),
    'respawn': ('false', SWITCH, 'Start the node again, 2 s after it ended by itself.'),
    'on_exit': ('shutdown', ('shutdown', 'stay'), 'When the node ends: end the launch too, with '
                'an error if the node had one, or let the others stay.'),
}
# Parameters of the node: name -> (type, choices or None, description). '' keeps the YAML's value.
OVERRIDES = {
    'weights': (str, None, 'Weights file, or a name that `yolact models` lists.'),
    'config': (str, None, 'Preset of the network where the weights do not tell it.'),
    'class_names': (tuple, None, 'Names of the classes, with commas between, of weights that do '
                    'not tell them.'),
    'device': (str, None, 'Where the network runs: auto, cpu, cuda, cuda:1, ...'),
    'backend': (str, None, 'What runs the network: auto, torch, openvino.'),
    'precision': (str, None, 'Number format: auto, float32, float16, bfloat16.'),
    'threads': (int, None, 'Processor threads of the network; 0: the cores it may use.'),
    'image_transport': (str, ('raw', 'compressed'), 'Form of the input: image_topic itself (raw) '
                        'or image_topic/compressed.'),
    'cameras': (tuple, None, 'Names of cameras that share the model, like front,left: each is a '
                'namespace, front/image in, ~/front/instances out; without image_topic.'),
    'use_depth': (bool, SWITCH, 'Listen to depth_topic and camera_info_topic too and say where '
                  'in space the objects are.'),
    'image_qos': (str, ('auto', 'reliable', 'best_effort'),
                  'Reliability of the input subscription.'),
    'score_threshold': (float, None, 'Class score that a detection must exceed, 0 to 1.'),
    'mask_encoding': (str, ('packed', 'rle', 'mono8'), 'How masks are stored in ~/instances.'),
    'autostart': (bool, SWITCH, 'Configure and activate the lifecycle node at the start.'),
    'use_sim_time': (bool, SWITCH, 'Take the time from /clock (rosbag, simulation).'),
}


def generate_launch_description():
    declared = [_declare(name, default, choices, text)
                for name, (default, choices, text) in ARGUMENTS.items()]
    declared += [_declare(name, '', ('', *choices) if choices else None,
                          f"{text} '': as in params_file.")
                 for name, (_, choices, text) in OVERRIDES.items()]
    return LaunchDescription([*declared, OpaqueFunction(function=_set_profile),
                              OpaqueFunction(function=_start_node),
                              OpaqueFunction(function=_start_viewers)])


def _declare(name, default, choices, description):
    """Return the declaration of one argument."""
    options = {'choices': list(choices)} if choices else {}
    return DeclareLaunchArgument(name, default_value=default, description=description, **options)


def _set_profile(context):
    """Return actions that give this node and all started after it the Fast DDS profile."""
    path = LaunchConfiguration('fastdds_profile').perform(context)
    if path == 'none' or path == 'auto' and any(map(os.environ.get, PROFILE_VARIABLES)):
        return []
    if path == 'auto':
        path = PathJoinSubstitution([CONFIG, 'fastdds.xml'])
    newer = os.environ.get('ROS_DISTRO', 'kilted') not in ('humble', 'iron', 'jazzy')
    return [SetEnvironmentVariable(PROFILE_VARIABLES[0 if newer else 1], path)]


def _start_node(context):
    """Return the node, with parameters only for the arguments that were given."""
    given = {name: _typed(name, kind, context) for name, (kind, _, _) in OVERRIDES.items()
             if LaunchConfiguration(name).perform(context) != ''}
    respawn = LaunchConfiguration('respawn').perform(context).lower() == 'true'
    ends = not respawn and LaunchConfiguration('on_exit').perform(context) == 'shutdown'
    return [Node(
        package='yolact_ros', executable='segment_node', output='screen',
        respawn=respawn, respawn_delay=2.0, on_exit=_end if ends else None,
        name=LaunchConfiguration('name'), namespace=LaunchConfiguration('namespace'),
        remappings=_inputs(context),
        parameters=[LaunchConfiguration('params_file'), given],
        arguments=['--ros-args', '--log-level', LaunchConfiguration('log_level')])]


def _inputs(context):
    """Return the topics of the camera."""
    image, depth, camera_info = (LaunchConfiguration(name).perform(context) for name in
                                 ('image_topic', 'depth_topic', 'camera_info_topic'))
    beside = image.rpartition('/')[0]
    camera_info = camera_info or (f'{beside}/camera_info' if beside else 'camera_info')
    return [('image', image), ('depth', depth), ('camera_info', camera_info)]


def _typed(name, kind, context):
    """Return an argument as its parameter's type: 1 is a score_threshold, front,left a list."""
    text = LaunchConfiguration(name).perform(context)
    if kind is tuple:
        return [part.strip(' \'"') for part in text.strip(' []').split(',')]
    try:
        return text.lower() == 'true' if kind is bool else kind(text)
    except ValueError:
        number = 'whole number' if kind is int else 'number'
        raise ValueError(f'{name} must be a {number}, got {name}:={text}') from None


def _end(event, context):
    """End the launch with the node; a failure of the node is one of the launch, by its code."""
    if event.returncode:
        raise RuntimeError(f'{event.process_name} ended with code {event.returncode}')
    return [Shutdown(reason='the segmentation node ended')]


def _start_viewers(context):
    """Return the viewers that were asked for; one that is missing costs only itself."""
    found = []
    for argument, package, viewer in (('rqt', 'rqt_image_view', _rqt), ('rviz', 'rviz2', _rviz)):
        if LaunchConfiguration(argument).perform(context).lower() != 'true':
            continue
        try:
            get_package_prefix(package)
        except PackageNotFoundError:
            found.append(LogInfo(msg=f'{argument}:=true, but {package} is not installed: sudo apt '
                                     f'install ros-$ROS_DISTRO-{package.replace("_", "-")}'))
        else:
            found += [viewer(camera) for camera in _cameras(context)]
    return found


def _cameras(context):
    """Return the names of the cameras; '' for the only one, whose topics have no name in them."""
    return _typed('cameras', tuple, context)


def _rqt(camera):
    """Return the viewer of the overlay of one camera."""
    return Node(package='rqt_image_view', executable='rqt_image_view',
                name='_'.join(filter(None, ('overlay_view', camera))),
                namespace=LaunchConfiguration('namespace'), arguments=[_topic(camera, 'overlay')])


def _rviz(camera):
    """Return RViz with what the node shows of one camera, whatever both are called."""
    return Node(package='rviz2', executable='rviz2',
                name='_'.join(filter(None, ('rviz', camera))),
                arguments=['-d', PathJoinSubstitution([CONFIG, 'yolact.rviz'])],
                remappings=[(f'/yolact/{name}', _topic(camera, name))
                            for name in ('overlay', 'label_image', 'points', 'markers')])


def _topic(camera, name):
    """Return an output of the node, fully resolved."""
    return PathJoinSubstitution(['/', LaunchConfiguration('namespace'),
                                 LaunchConfiguration('name'), *filter(None, (camera,)), name])
