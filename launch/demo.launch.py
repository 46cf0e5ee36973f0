# SPDX-FileCopyrightText: The yolact_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Segmentation without a camera: plays a source as a camera topic and starts the node on it."""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

WAIT_FOR_NODE_S = 120.0  # while it loads the network; then the source plays to nobody
SWITCH = ('true', 'false', 'True', 'False', 'TRUE', 'FALSE')
SOURCE_ARGUMENTS = {
    # name: (type, default, choices, description)
    'source': (str, 'synthetic:conveyor', None,
               'A folder of pictures, a picture, a video, a rosbag2, a webcam number, or '
               'synthetic:MODE. Scenes are synthetic unless you say otherwise.'),
    'rate': (float, '0.0', None, "Frames per second; 0.0: the source's own."),
    'loop': (bool, 'true', SWITCH, 'Begin again at the end of the source.'),
    'restamp': (bool, 'true', SWITCH,
                'Stamp frames with the time of publishing; false: keep the stamps of a bag.'),
    'publish_clock': (bool, 'false', SWITCH,
                      'Publish the stamps on /clock too, for use_sim_time:=true.'),
    'depth': (bool, 'false', SWITCH,
              'Depth beside synthetic scenes, and places of the objects.'),
    'reliability': (str, 'reliable', ('reliable', 'best_effort'),
                    'Reliability of the camera topic.'),
    'image_transport': (str, 'raw', ('raw', 'compressed'),
                        'Form of the pictures between source and node.'),
}


def _end(event, context):
    """End the launch with the source; a failure of the source is one of the launch."""
    if event.returncode:
        raise RuntimeError(f'{event.process_name} ended with code {event.returncode}')
    return [Shutdown(reason='the source ended')]


def generate_launch_description():
    """Declare the arguments of the source; those of segment.launch.py hold as well."""
    arguments = [DeclareLaunchArgument(name, default_value=default, description=description,
                                       **({'choices': choices} if choices else {}))
                 for name, (_, default, choices, description) in SOURCE_ARGUMENTS.items()]
    image_topic = DeclareLaunchArgument(
        'image_topic', default_value='camera/image_raw',
        description='Camera topic on which the source publishes and the node listens.')
    depth_topic = DeclareLaunchArgument(
        'depth_topic', default_value='camera/depth',
        description='Where the source publishes depth: depth beside image_topic.')
    # A plain path, no substitution: so `ros2 launch --show-args` can look into the file.
    segment = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(Path(__file__).with_name('segment.launch.py'))),
        launch_arguments={**{name: LaunchConfiguration(name)
                             for name in ('image_topic', 'image_transport', 'depth_topic')},
                          'use_depth': LaunchConfiguration('depth')}.items())
    # After the inclusion: that sets the middleware profile which large pictures need.
    source = Node(
        package='yolact_ros', executable='frame_source', name='frame_source', output='screen',
        namespace=LaunchConfiguration('namespace'),
        remappings=[('image', LaunchConfiguration('image_topic'))],
        on_exit=_end,
        parameters=[{name: ParameterValue(LaunchConfiguration(name), value_type=kind)
                     for name, (kind, *_) in SOURCE_ARGUMENTS.items()},
                    {'wait_for_subscriber': WAIT_FOR_NODE_S}])
    return LaunchDescription([*arguments, image_topic, depth_topic, segment, source])
