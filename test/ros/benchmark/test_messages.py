"""The benchmark's way through real messages."""

import numpy as np

from yolact_ros.benchmark.measure import measure
from yolact_ros.ros.benchmark.messages import measure_messages
from yolact_ros.ros.benchmark.node import SIZE, InstantPredictor


def test_every_step_from_image_to_result_is_timed():
    predictor = InstantPredictor(3)
    predictor.stage_ms = {'network': 7.0}

    row = measure_messages(predictor, np.zeros((SIZE.height, SIZE.width, 3), np.uint8), measure,
                           rounds=2, warmup=1)

    assert list(row['stage_ms']) == ['image arrives', 'decode', 'network', 'message', 'publish',
                                     'result arrives']
    assert row['stage_ms']['network'] == {'median': 7.0, 'p95': 7.0}
    assert row['calls'] == 2
    # Three ellipses of 240 x 160 pixels, eight pixels a byte
    assert 3 * 240 * 160 / 8 < row['message_bytes'] < 4 * 240 * 160 / 8
