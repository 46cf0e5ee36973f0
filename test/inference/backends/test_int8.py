"""The demo model runs in int8 where it can, and int8 files say what they are."""

import logging
import shutil
import sys

import numpy as np
import pytest

from yolact_ros.evaluation.agreement import agreement
from yolact_ros.inference.backends.int8 import int8_twin, tell_gain_of_int8
from yolact_ros.inference.predictor import open_predictor
from yolact_ros.scenes import scene
from yolact_ros.weights.published import DEMO_WEIGHTS

needs_openvino = pytest.mark.skipif(int8_twin(DEMO_WEIGHTS) is None,
                                    reason='the extra openvino is not installed')


@pytest.fixture
def copies(tmp_path):
    """Return a folder of the demo model and its int8 files."""
    for path in DEMO_WEIGHTS.parent.glob(DEMO_WEIGHTS.stem + '*'):
        shutil.copy(path, tmp_path)
    return tmp_path


@needs_openvino
def test_demo_in_int8_finds_what_torch_finds(caplog):
    caplog.set_level(logging.INFO)
    images = [scene(seed).image for seed in range(4)]

    quick = open_predictor('demo', device='cpu')
    exact = open_predictor('demo', device='cpu', precision='float32')

    assert quick.description == 'yolact_plus_lite on cpu, int8, openvino'
    assert exact.description == 'yolact_plus_lite on cpu, float32, torch'
    assert caplog.text.count('the demo model runs in int8 by OpenVINO') == 1
    same = agreement(quick.predict_batch(images), [exact.predict(rgb) for rgb in images])
    assert same.objects[1] >= 10
    # One object in ten may be near the threshold.
    assert same.share > 0.9 and same.mask_iou > 0.95


@pytest.mark.parametrize('options', [{'backend': 'torch'}, {'precision': 'float32'}], ids=str)
def test_who_asks_for_the_exact_demo_network_gets_it(options):
    assert open_predictor('demo', device='cpu', **options).description \
        == 'yolact_plus_lite on cpu, float32, torch'


def test_without_openvino_the_demo_model_runs_by_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, 'openvino', None)
    assert open_predictor('demo', device='cpu').description \
        == 'yolact_plus_lite on cpu, float32, torch'


@needs_openvino
def test_a_twin_of_other_weights_is_left_alone_with_a_warning(copies, caplog):
    weights = copies / DEMO_WEIGHTS.name
    assert int8_twin(weights) == copies / 'yolact_plus_lite.int8.xml'
    weights.write_bytes(weights.read_bytes() + b' ')

    assert int8_twin(weights) is None
    assert 'was made from other weights' in caplog.text and 'yolact quantize' in caplog.text


@needs_openvino
def test_a_rescoring_net_of_other_weights_is_refused(copies):
    rescoring = copies / 'yolact_plus_lite.int8.rescoring.xml'
    text = rescoring.read_text()
    start = text.index('source_sha256 value="') + len('source_sha256 value="')
    rescoring.write_text(text[:start] + '0' * 64 + text[start + 64:])

    with pytest.raises(ValueError, match='rescoring.xml belongs to another model than'):
        open_predictor(copies / 'yolact_plus_lite.int8.xml')


@needs_openvino
def test_an_int8_file_does_not_pass_for_float32():
    with pytest.raises(ValueError, match='int8.xml holds int8; choose precision auto'):
        open_predictor(DEMO_WEIGHTS.with_suffix('.int8.xml'), precision='float32')


@pytest.mark.parametrize('flags, told', [
    ({'fpu', 'avx2', 'avx512_vnni'}, 0), ({'fpu', 'avx2'}, 1), ({'asimd', 'asimddp'}, 0), ((), 0),
], ids=['vnni', 'avx2', 'arm', 'unknown'])
def test_a_processor_without_instructions_for_int8_is_told_once(monkeypatch, caplog, flags, told):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr('yolact_ros.inference.backends.int8.cpu_flags', lambda: frozenset(flags))
    tell_gain_of_int8.cache_clear()
    tell_gain_of_int8()
    tell_gain_of_int8()
    assert len(caplog.messages) == told


@pytest.mark.parametrize('error', [
    ImportError('libopenvino.so: undefined symbol'), RuntimeError('unsupported opset 16')],
    ids=['broken', 'other version'])
def test_the_demo_model_runs_in_torch_where_openvino_fails(monkeypatch, caplog, error):
    def fail(path, precision):
        raise error
    monkeypatch.setattr('yolact_ros.inference.opening.int8_twin',
                        lambda weights: weights.with_suffix('.int8.xml'))
    monkeypatch.setattr('yolact_ros.inference.opening.open_exported', fail)
    assert open_predictor('demo', device='cpu').description == (
        'yolact_plus_lite on cpu, float32, torch')
    assert str(error) in caplog.text


@needs_openvino
def test_int8_works_on_a_processor_without_instructions_for_it(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr('yolact_ros.inference.backends.int8.cpu_flags',
                        lambda: frozenset({'avx2'}))
    tell_gain_of_int8.cache_clear()
    found = open_predictor('demo', device='cpu').predict(np.zeros((8, 8, 3), np.uint8))

    assert len(found) == 0
    assert 'has no VNNI instructions: int8 works, but gains less' in caplog.text
