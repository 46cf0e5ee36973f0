"""Exported files give torch's numbers, and say what is wrong with those that cannot."""

import shutil

import numpy as np
import pytest
import torch
from torch import nn

from yolact_ros.checkpoint import save_model
from yolact_ros.commands.export import export_model
from yolact_ros.commands.main import main
from yolact_ros.config import PostprocessConfig, yolact_plus_lite, yolact_plus_tiny
from yolact_ros.inference.backends.exported import open_exported
from yolact_ros.inference.predictor import open_predictor
from yolact_ros.model.yolact import Yolact

onnx = pytest.importorskip('onnx', reason='the extra onnx is not installed')
pytest.importorskip('onnxruntime', reason='the extra onnx is not installed')
EVERYTHING = PostprocessConfig(score_threshold=0.0, candidate_threshold=0.0, max_instances=20)


@pytest.fixture(scope='module')
def model():
    generator = torch.Generator().manual_seed(0)
    net = Yolact(yolact_plus_tiny(class_names=('cup', 'fork', 'pan')))
    net.initialize(generator)
    for name, module in net.named_modules():
        if name.endswith('conv_offset_mask'):
            nn.init.normal_(module.weight, std=0.02, generator=generator)
    return net.eval()


@pytest.fixture(scope='module')
def folder(model, tmp_path_factory):
    """Return a folder with the checkpoint and its exports."""
    folder = tmp_path_factory.mktemp('exports')
    save_model(folder / 'cups.safetensors', model)
    export_model(model, folder / 'cups.onnx', 'onnx', batch=None)
    return folder


def agree(found, expected):
    """Return whether two results are the same objects within 1e-3."""
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-3)
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.1)
    assert found.class_ids.tolist() == expected.class_ids.tolist()
    return True


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_onnx_outputs_equal_torch(model, folder):
    backend = open_exported(folder / 'cups.onnx', 'auto')
    x = torch.randn(2, 3, 256, 256, generator=torch.Generator().manual_seed(1))
    masks = torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(1))

    found = backend(x)

    with torch.inference_mode():
        for ours, theirs in zip(found[:4], model(x)[:4]):
            torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(backend.rescore(masks), model.maskiou_net(masks),
                                   atol=1e-3, rtol=1e-3)
    assert backend.rescore(masks[:0]).shape == (0, 3)
    assert torch.equal(backend.priors, model.priors)


def test_an_onnx_file_finds_what_its_checkpoint_finds(folder):
    rgb = noise(90, 120)
    expected = open_predictor(folder / 'cups.safetensors', device='cpu',
                              postprocess=EVERYTHING).predict(rgb)

    predictor = open_predictor(folder / 'cups.onnx', postprocess=EVERYTHING)

    assert agree(predictor.predict(rgb), expected)
    assert len(predictor.predict_batch([rgb] * 3)) == 3
    assert predictor.class_names == ('cup', 'fork', 'pan')
    assert predictor.description == 'yolact_plus_tiny on cpu, float32, onnxruntime'


def test_deformable_convolution_is_the_standard_operator(folder):
    graph = onnx.load(folder / 'cups.onnx').graph

    assert sum(node.op_type == 'DeformConv' for node in graph.node) == 2


@pytest.mark.slow
def test_openvino_ir_of_a_fixed_batch(folder, tmp_path):
    pytest.importorskip('openvino', reason='the extra openvino is not installed')
    rgb = noise(90, 120)
    expected = open_predictor(folder / 'cups.safetensors', device='cpu',
                              postprocess=EVERYTHING).predict(rgb)

    code = main(['export', str(folder / 'cups.safetensors'), '--format', 'openvino',
                     '-o', str(tmp_path / 'cups.xml')])
    predictor = open_predictor(tmp_path / 'cups.xml', postprocess=EVERYTHING)

    assert code == 0
    assert agree(predictor.predict(rgb), expected)
    with pytest.raises(ValueError, match='takes batches of 1, got 2; export .* --batch dynamic'):
        predictor.predict_batch([rgb, rgb])


# OpenVINO and the exporter of ONNX take a minute on a busy machine.
@pytest.mark.timeout(400)
@pytest.mark.slow
def test_the_light_network_finds_the_same_in_every_format(tmp_path, caplog):
    pytest.importorskip('openvino', reason='the extra openvino is not installed')
    light = Yolact(yolact_plus_lite(3)).eval()
    light.initialize(torch.Generator().manual_seed(0))
    save_model(tmp_path / 'light.safetensors', light)
    rgb = noise(90, 120)
    expected = open_predictor(tmp_path / 'light.safetensors', device='cpu',
                              postprocess=EVERYTHING).predict(rgb)

    with caplog.at_level('INFO'):
        for format, name in (('onnx', 'light.onnx'), ('openvino', 'light.xml')):
            export_model(light, tmp_path / name, format)
            assert agree(open_predictor(tmp_path / name, postprocess=EVERYTHING).predict(rgb),
                         expected)

    # The exporter's own optimiser has much to say of it.
    assert [record.name for record in caplog.records if 'onnx' in record.name
            and not record.name.startswith('yolact_ros')] == []


def changed(path, target, **properties):
    """Copy an ONNX file with other metadata."""
    proto = onnx.load(path)
    kept = {entry.key: entry.value for entry in proto.metadata_props}
    onnx.helper.set_model_props(proto, {key: value for key, value in {**kept, **properties}.items()
                                        if value is not None})
    onnx.save(proto, target)
    return target


@pytest.mark.parametrize(('properties', 'message'), [
    ({'format': None}, 'was not written by yolact export'),
    ({'export_version': '99'}, 'has export version 99, this yolact_ros reads version 1'),
    ({'config': '{"name": 3}'}, 'damaged model configuration')])
def test_files_of_others_are_refused(folder, tmp_path, properties, message):
    path = changed(folder / 'cups.onnx', tmp_path / 'other.onnx', **properties)

    with pytest.raises(ValueError, match=message):
        open_exported(path, 'auto')


def test_a_configuration_of_another_model_is_noticed(folder, tmp_path):
    metadata = {entry.key: entry.value
                for entry in onnx.load(folder / 'cups.onnx').metadata_props}
    path = changed(folder / 'cups.onnx', tmp_path / 'cups.onnx',
                   config=metadata['config'].replace('"pan"', '"pan", "pot"'))

    with pytest.raises(ValueError, match='does not fit the configuration'):
        open_exported(path, 'auto')


def test_the_re_scoring_net_must_lie_beside(folder, tmp_path):
    shutil.copy(folder / 'cups.onnx', tmp_path)
    with pytest.raises(FileNotFoundError, match='needs its re-scoring net cups.rescoring.onnx'):
        open_exported(tmp_path / 'cups.onnx', 'auto')

    metadata = {entry.key: entry.value
                for entry in onnx.load(folder / 'cups.onnx').metadata_props}
    changed(folder / 'cups.rescoring.onnx', tmp_path / 'cups.rescoring.onnx',
            config=metadata['config'].replace('"pan"', '"jug"'))
    with pytest.raises(ValueError, match='belongs to another model'):
        open_exported(tmp_path / 'cups.onnx', 'auto')


@pytest.mark.parametrize(('name', 'content'), [('a.onnx', b'no network'), ('a.xml', b'<html/>')])
def test_what_is_no_network_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)

    with pytest.raises(ValueError, match='is no (ONNX file|OpenVINO IR) that'):
        open_exported(tmp_path / name, 'auto')
    with pytest.raises(FileNotFoundError, match='exported network .* not found'):
        open_exported(tmp_path / ('missing_' + name), 'auto')


@pytest.mark.parametrize(('options', 'message'), [
    ({'precision': 'bfloat16'}, 'runs it as such'),
    ({'backend': 'openvino'}, 'is run by onnx; choose backend auto'),
    ({'backend': 'torch'}, 'is run by onnx; choose backend auto'),
    ({'config': 'yolact_base'}, 'carries its own configuration'),
    ({'device': 'cuda'}, 'runs on the cpu')])
def test_options_that_a_file_cannot_follow_are_refused(folder, options, message):
    with pytest.raises(ValueError, match=message):
        open_predictor(folder / 'cups.onnx', **options)


@pytest.mark.parametrize(('options', 'error', 'message'), [
    ({'format': 'tflite'}, ValueError, "format 'tflite' is unknown"),
    ({'path': 'a.xml'}, ValueError, r'ends in \.onnx, got a\.xml'),
    ({'opset': 12}, ValueError, 'opset must be 18 to 23, got 12'),
    ({'path': 'nowhere/a.onnx'}, FileNotFoundError, 'folder .*nowhere does not exist')])
def test_wrong_export_options_are_refused(model, tmp_path, options, error, message):
    arguments = {'path': 'a.onnx', 'format': 'onnx', 'opset': 19, **options}

    with pytest.raises(error, match=message):
        export_model(model, tmp_path / arguments['path'], arguments['format'],
                     opset=arguments['opset'])
