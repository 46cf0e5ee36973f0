"""The page in a real browser: what people see of the node, and what their hands do to it."""

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage

from yolact_ros.msg import InstanceMask, InstanceMaskArray
from yolact_ros.ros.viewer import reports

spec = importlib.util.spec_from_file_location('browser', Path(__file__).with_name('browser.py'))
browser = importlib.util.module_from_spec(spec)
spec.loader.exec_module(browser)

pytestmark = pytest.mark.skipif(browser.PROGRAM is None, reason='no Chromium is installed')

STATE = "document.getElementById('state').textContent"
TABLE = "document.getElementById('objects').innerText"
# Mean brightness of the picture, 0 before there is one.
BRIGHTNESS = """(() => {
  const image = document.getElementById('overlay');
  if (!image.naturalWidth) return 0;
  const canvas = new OffscreenCanvas(1, 1), context = canvas.getContext('2d');
  context.drawImage(image, 50, 30, 10, 10, 0, 0, 1, 1);
  return context.getImageData(0, 0, 1, 1).data[0];
})()"""


@pytest.fixture(scope='module')
def page(tmp_path_factory):
    """Return the page of a browser."""
    with browser.open_browser(tmp_path_factory.mktemp('browser')) as page:
        page.look(1400, 900)
        yield page
        page.go('about:blank')


def test_the_picture_moves_and_the_table_names_the_objects(page, viewer, camera_runs):
    page.go(viewer.url)
    first = page.wait(BRIGHTNESS)
    assert page.wait(BRIGHTNESS, lambda now: now > first + 5) <= 255
    table = page.wait(TABLE, lambda text: 'mug' in text)
    assert 'bowl' in table and '0.90' in table and 'Distance' not in table
    assert page.wait(STATE, lambda text: 'arrive' in text) == 'images arrive on /image'


def test_a_slider_changes_the_node(page, viewer, bench, camera_runs):
    page.go(viewer.url)
    page.wait('!document.getElementById("detection").disabled')
    page.wait(TABLE, lambda text: 'bowl' in text)
    page.click('#parameter-score_threshold', across=0.8)
    bench.wait(lambda: bench.node.get_parameter('score_threshold').value > 0.7)
    assert 'bowl' not in page.wait(TABLE, lambda text: 'bowl' not in text)


def test_a_refusal_is_shown_and_the_field_shows_what_holds(page, viewer, bench):
    page.go(viewer.url)
    page.wait('!document.getElementById("detection").disabled')
    page.type('#parameter-classes', 'unicorn')
    shown = page.wait("document.querySelector('.refusal:not(:empty)')?.innerText")
    assert "class 'unicorn' is not one of the model's 2 classes (mug, bowl" in shown
    assert page.evaluate("document.getElementById('parameter-classes').value") == ''
    assert bench.node.get_parameter('classes').value == []

    page.type('#parameter-classes', 'mug')
    bench.wait(lambda: bench.node.get_parameter('classes').value == ['mug'])
    assert page.wait("!document.querySelector('.refusal:not(:empty)')")


def test_what_others_set_moves_the_controls(page, viewer, bench):
    page.go(viewer.url)
    page.wait('!document.getElementById("detection").disabled')
    bench.node.set_parameters([Parameter('iou_threshold', value=0.25)])
    value = "document.getElementById('parameter-iou_threshold').value"
    assert page.wait(value, lambda now: now == '0.25')


def test_names_are_text_and_never_markup(page, open_viewer, bench):
    viewer = open_viewer('--node', 'other')
    arrays = bench.peer.create_publisher(InstanceMaskArray, '/other/instances',
                                         QoSProfile(depth=1))
    page.go(viewer.url)
    bench.wait(lambda: arrays.get_subscription_count() == 1)
    name = '<img src=x onerror="document.title=1">'
    arrays.publish(InstanceMaskArray(instances=[InstanceMask(class_name=name)]))
    assert name in page.wait(TABLE, lambda text: 'img' in text)
    assert page.evaluate("document.querySelector('#objects img')") is None


def test_distances_are_shown_where_they_are_known(page, viewer, camera_runs, monkeypatch):
    monkeypatch.setattr(reports, 'distance_of', lambda instance: {'mug': 1.234}.get(
        instance.class_name))
    page.go(viewer.url)
    table = page.wait(TABLE, lambda text: 'Distance' in text)
    assert '1.23 m' in table and table.count(' m') == 1


def test_a_page_that_is_hidden_costs_the_node_nothing(page, viewer, bench, camera_runs):
    page.go(viewer.url)
    page.wait(BRIGHTNESS)
    assert bench.node.status.listeners
    hide = ("Object.defineProperty(document, 'hidden', {{value: {}, configurable: true}}); "
            "document.dispatchEvent(new Event('visibilitychange'))")
    page.evaluate(hide.format('true'))
    bench.wait(lambda: not bench.node.status.listeners, 'the node being left alone')
    page.evaluate(hide.format('false'))
    assert bench.wait(lambda: bench.node.status.listeners)


def test_a_missing_node_is_said_and_nothing_can_be_set(page, open_viewer):
    page.go(open_viewer('--node', '/arm/other').url)
    shown = page.wait(STATE, lambda text: 'no word' in text)
    assert shown == 'no word from /arm/other: does it run, with the same ROS_DOMAIN_ID?'
    assert page.evaluate("document.querySelectorAll('fieldset:not(:disabled)').length") == 0


def test_a_viewer_that_ended_is_said(page, open_viewer):
    viewer = open_viewer()
    page.go(viewer.url)
    page.wait(STATE, lambda text: text != 'connecting ...')
    viewer.node.stop()
    assert 'trying again' in page.wait(STATE, lambda text: 'viewer' in text)


@pytest.mark.parametrize('width', [320, 390, 800, 1400])
def test_nothing_is_cut_off_at_any_width(page, viewer, camera_runs, width):
    page.look(width, 844)
    page.go(viewer.url)
    page.wait(BRIGHTNESS)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert page.evaluate('document.documentElement.scrollWidth') <= width


def test_a_still_picture_is_shown_too(page, open_viewer, bench):
    viewer = open_viewer('--node', 'still')
    overlay = bench.peer.create_publisher(CompressedImage, '/still/overlay/compressed', 1)
    page.go(viewer.url)
    bench.wait(lambda: overlay.get_subscription_count() == 1)
    grey = cv2.imencode('.jpg', np.full((48, 64, 3), 77, np.uint8))[1].tobytes()
    overlay.publish(CompressedImage(format='jpeg', data=grey))
    assert abs(page.wait(BRIGHTNESS) - 77) <= 1
