"""The images of classes and confidences have all that Nav2's semantic layer relies on."""

import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import yaml
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import String

from yolact_ros.ros.node.outputs.class_image import class_image, confidence_image
from yolact_ros.ros.node.outputs.publishers import LATCHED, TOPICS
from yolact_ros.structures import ImageSize, Instances

LAYER = Path(__file__).resolve().parents[4] / 'config' / 'nav2_semantic_layer.yaml'


def two_objects(classes=(3, 0), scores=(0.9, 0.4)):
    """Return a 2 x 3 image where both objects want the pixel in the middle of the top row."""
    full = np.ones((1, 2), bool)
    scores = np.float32(scores)
    return Instances(ImageSize(2, 3), np.zeros((2, 4), np.float32), scores, scores, scores,
                     np.array(classes), np.int32([[0, 0, 2, 1], [1, 0, 3, 1]]), (full, full))


def test_image_without_objects_is_zero():
    none = Instances.empty(ImageSize(2, 3))
    labels = none.label_image()
    assert not class_image(none, labels).any() and not confidence_image(none, labels).any()


def test_better_object_wins_the_pixel_with_its_class_and_score():
    found = two_objects()
    labels = found.label_image()
    assert class_image(found, labels).tolist() == [[4, 4, 1], [0, 0, 0]]
    assert confidence_image(found, labels).tolist() == [[230, 230, 102], [0, 0, 0]]


@pytest.mark.parametrize(('class_id', 'value'), [(253, 254), (254, 255), (255, 0), (400, 0)])
def test_class_without_a_value_in_eight_bits_is_left_out(class_id, value):
    found = two_objects(classes=(class_id, 0))
    assert class_image(found, found.label_image())[0, 0] == value


def test_score_above_one_is_full_confidence():
    found = two_objects(scores=(1.01, 0.5))
    assert confidence_image(found, found.label_image())[0, 0] == 255


def test_more_than_255_objects_have_their_classes():
    count = 300
    scores = np.linspace(1, 0.5, count, dtype=np.float32)
    rois = np.int32([[x, 0, x + 1, 1] for x in range(count)])
    found = Instances(ImageSize(1, count), np.zeros((count, 4), np.float32), scores, scores,
                      scores, np.arange(count) % 7, rois, (np.ones((1, 1), bool),) * count)
    image = class_image(found, found.label_image())
    assert image[0].tolist() == [x % 7 + 1 for x in range(count)]


def test_both_images_are_those_of_the_frame_and_reach_best_effort_subscribers(bench, make_image):
    qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
    received = {'class_image': [], 'confidence_image': []}
    for name, messages in received.items():
        bench.peer.create_subscription(Image, f'yolact/{name}', messages.append, qos)
    image = make_image(7, 13, frame_id='optical')
    instances = bench.listen()
    bench.segment(bench.camera(), instances, image)
    bench.wait(lambda: all(received.values()))
    for messages in received.values():
        got = messages[-1]
        assert (got.encoding, got.step, len(got.data)) == ('mono8', 13, 7 * 13)
        assert got.header == image.header and (got.height, got.width) == (7, 13)
    assert np.unique(received['class_image'][-1].data).tolist() == [0, 1]
    assert np.unique(received['confidence_image'][-1].data).tolist() == [0, round(0.9 * 255)]


def test_nothing_is_computed_for_nobody(bench, monkeypatch):
    made = []
    monkeypatch.setattr('yolact_ros.ros.node.outputs.publishers.class_image',
                        lambda found, labels: made.append(1) or labels)
    bench.segment(bench.camera(), bench.listen())
    assert made == []


@pytest.fixture
def vision_stand_in(monkeypatch):
    """Let std_msgs/String play LabelInfo: the middleware carries it like the real one."""
    package, types = ModuleType('vision_msgs'), ModuleType('vision_msgs.msg')
    types.Detection2DArray = types.LabelInfo = String
    package.msg = types
    monkeypatch.setitem(sys.modules, 'vision_msgs', package)
    monkeypatch.setitem(sys.modules, 'vision_msgs.msg', types)
    monkeypatch.setattr(
        'yolact_ros.ros.node.outputs.vision_messages.VisionMessages.label_info',
        lambda _, names, threshold, stamp, first=0: String(
            data=str({first + index: name for index, name in enumerate(names)})))


def test_numbers_of_the_classes_are_latched_and_sent_again_after_a_reload(
        vision_stand_in, bench):
    infos = bench.listen('yolact/class_image/label_info', String, latched=True)
    bench.wait(lambda: infos)
    from yolact_ros.srv import Reload
    assert bench.call(Reload, 'yolact/reload', Reload.Request(weights='cats.pth')).success
    bench.wait(lambda: len(infos) == 2)
    assert [info.data for info in infos] == ["{1: 'mug', 2: 'bowl'}", "{1: 'cat'}"]


def test_layer_is_told_topics_that_exist_and_classes_of_the_packaged_model():
    layer = yaml.safe_load(LAYER.read_text())['local_costmap']['local_costmap'][
        'ros__parameters']['semantic_segmentation_layer']
    source = layer[layer['observation_sources']]
    topics = {topic.replace('~', '/yolact') for _, topic, _ in TOPICS.values()}
    assert {source['segmentation_topic'], source['confidence_topic']} <= topics
    assert source['labels_topic'] == '/yolact/class_image/label_info'
    assert source['pointcloud_topic'] == '/yolact/points'
    named = [name for kind in source['class_types'] for name in source[kind]['classes']]
    assert len(named) == len(set(named)) > 0
    assert all(set(source[kind]) >= {'classes', 'base_cost', 'max_cost', 'mark_confidence',
                                     'samples_to_max_cost'} for kind in source['class_types'])


# What the layer's sources declare (of 2026), but for what is left at its default here.
DECLARED = {'enabled': bool, 'observation_sources': str, 'use_approximate_time_sync': bool,
            'plugin': str}
OF_A_SOURCE = {'segmentation_topic': str, 'confidence_topic': str, 'labels_topic': str,
               'pointcloud_topic': str, 'observation_persistence': float,
               'expected_update_rate': float, 'use_cost_selection': bool,
               'max_obstacle_distance': float, 'min_obstacle_distance': float,
               'tile_map_decay_time': float, 'class_types': list}
OF_A_CLASS_TYPE = {'classes': list, 'base_cost': int, 'max_cost': int, 'mark_confidence': int,
                   'samples_to_max_cost': int, 'dominant_priority': bool}


def test_every_setting_is_one_that_the_layer_declares_and_of_its_type():
    layer = yaml.safe_load(LAYER.read_text())['local_costmap']['local_costmap'][
        'ros__parameters']['semantic_segmentation_layer']
    source = layer.pop(layer['observation_sources'])
    kinds = [source.pop(name) for name in source['class_types']]
    for settings, declared in ((layer, DECLARED), (source, OF_A_SOURCE),
                               *((kind, OF_A_CLASS_TYPE) for kind in kinds)):
        assert {name: type(value) for name, value in settings.items()} == declared


def test_label_info_is_latched_and_reliable():
    assert (LATCHED.durability.name, LATCHED.reliability.name) == ('TRANSIENT_LOCAL', 'RELIABLE')


def test_readme_of_the_file_names_the_plugin():
    assert re.search(r'plugin: semantic_segmentation_layer::SemanticSegmentationLayer',
                     LAYER.read_text())
