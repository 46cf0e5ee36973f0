from dataclasses import replace
from pathlib import Path

import pytest

from yolact_ros.ros.health.watchdog import (
    Endpoint,
    Level,
    Observation,
    explain,
    fastdds_profile,
    profile_variable,
)

IMAGE, JPEG = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
SERVING = Observation('/yolact', '/cam/image_raw', IMAGE, outputs=('/yolact/instances',),
                      publishers=(Endpoint('driver', IMAGE, reliable=True),))
SILENT = replace(SERVING, silent_s=10.0)


def test_nothing_is_wrong_with_a_node_that_serves():
    assert explain(SERVING).level == Level.OK
    assert explain(SERVING).cause == 'running'


@pytest.mark.parametrize(('change', 'cause', 'words'), [
    ({'active': False}, 'inactive', ['ros2 lifecycle set', 'autostart']),
    ({'enabled': False}, 'disabled', ['~/enable']),
    ({'listeners': False}, 'no listener', ['nobody subscribes', '/yolact/instances']),
    ({'publishers': ()}, 'no publisher',
     ['no publisher on /cam/image_raw', IMAGE, 'is the camera running', 'ROS_DOMAIN_ID']),
    ({'publishers': (), 'elsewhere': (('/front/image', IMAGE), ('/jpg/compressed', JPEG))},
     'no publisher', ['topics of that type: /front/image;', '-r image:=/front/image']),
    ({'publishers': (), 'elsewhere': (('/cam/image_raw/compressed', JPEG),)}, 'no publisher',
     ['/cam/image_raw/compressed', 'image_transport:=compressed']),
    ({'publishers': (Endpoint('driver', JPEG, True),)}, 'wrong type',
     ['carries ' + JPEG, 'driver', 'image_transport:=compressed']),
    ({'publishers': (Endpoint('rosbag', 'std_msgs/msg/String', True),)}, 'wrong type',
     ['carries std_msgs/msg/String', 'remap image']),
    ({'publishers': (Endpoint('driver', IMAGE, False),), 'reliable': True}, 'incompatible QoS',
     ['driver', 'best effort', 'image_qos', 'auto']),
    ({}, 'not arriving', ['512 KiB', 'fastdds.xml', 'image_transport:=compressed']),
    ({'reliable': True}, 'not arriving', ['driver announces', 'it sends nothing (']),
    ({'image_bytes': 230_000}, 'not arriving', ['it sends nothing (']),
    ({'topic': '/yolact/instances'}, 'own output', ['remap image']),
], ids=['inactive', 'disabled', 'no listener', 'no images anywhere', 'images elsewhere',
        'only compressed', 'wrong transport', 'wrong type', 'QoS', 'lost on the way',
        'silent and reliable', 'silent and small', 'own output'])
def test_silence_is_explained_with_its_cure(change, cause, words):
    finding = explain(replace(SILENT, **change))
    assert finding.cause == cause
    assert [word for word in words if word not in finding.text] == []
    assert '\n' not in finding.text


@pytest.mark.parametrize(('change', 'words'), [
    ({'publishers': (), 'elsewhere': (('/cam/image_raw', IMAGE),)},
     '-r front/image:=/cam/image_raw'),
    ({'publishers': (Endpoint('driver', JPEG, True),)}, 'and front/image:=/front/image'),
    ({'publishers': (Endpoint('rosbag', 'std_msgs/msg/String', True),)}, 'remap front/image to'),
    ({'topic': '/yolact/instances'}, 'remap front/image to'),
], ids=['images elsewhere', 'wrong transport', 'wrong type', 'own output'])
def test_cure_for_one_of_several_cameras_names_its_own_input(change, words):
    seen = replace(SILENT, topic='/front/image', input='front/image')
    assert words in explain(replace(seen, **change)).text


def test_short_silence_is_normal():
    assert explain(replace(SERVING, arrived=False, silent_s=1.0)).cause == 'waiting'
    assert explain(replace(SERVING, silent_s=1.0)).cause == 'running'


def test_compressed_topic_taken_for_raw_is_told_by_its_base_name():
    seen = replace(SILENT, topic='/cam/compressed', publishers=(Endpoint('x', JPEG, True),))
    assert 'image:=/cam' in explain(seen).text and 'image:=/cam/' not in explain(seen).text


def test_raw_topic_taken_for_compressed_gets_the_raw_transport():
    seen = replace(SILENT, type_name=JPEG)
    assert 'image_transport:=raw' in explain(seen).text


def test_lost_images_are_an_error_with_the_reason():
    finding = explain(replace(SERVING, error="encoding 'foo' is unknown"))
    assert finding.level == Level.ERROR
    assert "encoding 'foo' is unknown" in finding.text


def test_images_lost_between_processes_point_to_the_shared_memory_profile():
    finding = explain(replace(SERVING, mostly_lost=True))
    assert (finding.level, finding.cause) == (Level.WARN, 'lost on the way')
    assert 'fastdds.xml' in finding.text and 'reliable' in finding.text


@pytest.mark.parametrize('change', [{'image_bytes': 512 * 1024}, {'reliable': True}],
                         ids=['small', 'reliable'])
def test_images_that_fit_are_not_blamed_on_shared_memory(change):
    finding = explain(replace(SERVING, mostly_lost=True, **change))
    assert finding.cause == 'lost on the way' and 'fastdds.xml' not in finding.text


def test_size_counts_from_the_first_byte_that_does_not_fit():
    text = explain(replace(SERVING, mostly_lost=True, image_bytes=512 * 1024 + 1)).text
    assert 'fastdds.xml' in text


def test_second_node_of_one_name_is_told():
    finding = explain(replace(SERVING, rivals=True))
    assert (finding.level, finding.cause) == (Level.WARN, 'name taken')
    assert '/yolact/instances' in finding.text and '__node:=' in finding.text


def test_images_that_are_all_too_old_point_to_the_clocks():
    text = explain(replace(SERVING, too_old=True)).text
    assert 'max_image_age' in text and 'use_sim_time' in text


def test_profile_in_the_text_exists():
    assert Path(fastdds_profile()).is_file()


@pytest.mark.parametrize(('distro', 'name'), [
    ('humble', 'FASTRTPS_DEFAULT_PROFILES_FILE'), ('jazzy', 'FASTRTPS_DEFAULT_PROFILES_FILE'),
    ('kilted', 'FASTDDS_DEFAULT_PROFILES_FILE'), ('', 'FASTDDS_DEFAULT_PROFILES_FILE')])
def test_variable_of_the_profile_is_that_of_the_distribution(monkeypatch, distro, name):
    monkeypatch.setenv('ROS_DISTRO', distro)
    assert profile_variable() == name
