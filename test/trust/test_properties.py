"""What holds for every message that there can be, by hypothesis."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from yolact_ros.coded_images import ImageError
from yolact_ros.messages.images import LAYOUTS
from yolact_ros.ros.image_codec import decode_image
from yolact_ros.ros.instance_codec import encode_array, label_image, paste, to_instances
from yolact_ros.structures import ImageSize, Instances

# No deadline: a busy machine is no failure.
calm = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow],
                derandomize=True, database=None)
sizes = st.integers(0, 20) | st.sampled_from((2 ** 16, 2 ** 31, 2 ** 32 - 1))


@calm
@given(sizes, sizes, sizes, st.sampled_from((*LAYOUTS, '', 'depth')), st.booleans(),
       st.binary(max_size=300))
def test_any_image_message_is_an_image_of_its_size_or_refused(height, width, step, encoding, big,
                                                              data):
    message = Image(height=height, width=width, step=step, encoding=encoding, is_bigendian=big)
    message.data.frombytes(data)
    try:
        rgb = decode_image(message)
    except ImageError as error:
        assert len(str(error)) > 20
    else:
        assert rgb.shape == (height, width, 3) and rgb.dtype == np.uint8


@calm
@given(arrays(bool, st.tuples(st.integers(0, 4), st.integers(1, 12), st.integers(1, 20))),
       st.sampled_from(('packed', 'rle', 'mono8')))
def test_any_masks_survive_the_message(masks, encoding):
    count, height, width = masks.shape
    scores = np.linspace(1, 0.5, count, dtype=np.float32)
    rois = np.tile(np.int32([0, 0, width, height]), (count, 1))
    array = encode_array(Instances(
        ImageSize(height, width), rois.astype(np.float32), scores, scores, scores,
        np.zeros(count, np.int64), rois, tuple(masks)), ['thing'], Header(), encoding)
    assert all(np.array_equal(paste(message), mask)
               for message, mask in zip(array.instances, masks))
    assert [message.area for message in array.instances] == masks.sum((1, 2)).tolist()
    assert to_instances(array).scores.tolist() == pytest.approx(scores.tolist())
    expected = np.zeros((height, width), int)
    for number in range(count, 0, -1):  # the best score last, so that it wins
        expected[masks[number - 1]] = number
    assert np.array_equal(label_image(array), expected)
