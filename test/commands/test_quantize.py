"""`yolact quantize` writes an int8 network that finds the same, or says why it does not."""

import logging
import re
import sys
from argparse import Namespace

import cv2
import numpy as np
import pytest
import torch

from yolact_ros.checkpoint import load_model, save_model
from yolact_ros.commands import quantize as command
from yolact_ros.commands.jobs import calibration
from yolact_ros.commands.main import main
from yolact_ros.config import yolact_plus_lite
from yolact_ros.evaluation.ap import ApSummary
from yolact_ros.evaluation.evaluate import EvalResult
from yolact_ros.evaluation.ground_truth import GroundTruth
from yolact_ros.export.network import rescoring_path
from yolact_ros.export.openvino import convert_network
from yolact_ros.export.quantize import (
    Calibration,
    float_layers,
    quantize,
    quantize_within,
    require_quantizer,
)
from yolact_ros.files import sha256_of
from yolact_ros.model.yolact import Yolact

openvino = pytest.importorskip('openvino', reason='the extra int8 is not installed')
pytest.importorskip('nncf', reason='the extra int8 is not installed')
# Converting and calibrating take 20 s, more on a busy machine.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
# One for all: a core that goes may take the stack for signals along.
CORE = openvino.Core()


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Return a folder of checkpoint, images of several sizes (one damaged), and int8 files."""
    folder = tmp_path_factory.mktemp('int8')
    save_model(folder / 'shapes.safetensors', load_model('demo')[0])
    write_images(folder / 'pictures')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, 'ROUNDS', 1)
        assert main(['quantize', str(folder / 'shapes.safetensors'), '--images',
                     str(folder / 'pictures'), '-o', str(folder / 'shapes.xml')]) == 0
    return folder


def write_images(folder):
    """Write two scenes of other sizes and something that is no image."""
    from yolact_ros.scenes import scene
    folder.mkdir()
    for seed, size in enumerate(((90, 120), (128, 128))):
        cv2.imwrite(str(folder / f'{seed}.png'), scene(seed, 0.0, size, 'still', 'easy').image)
    (folder / 'broken.png').write_bytes(b'no picture')


def rt_info(path, key):
    return CORE.read_model(path).get_rt_info(['yolact_ros', key]).astype(str)


def quantise(folder, *options):
    """Run the command, asking for a file that must not appear when it fails."""
    return main(['quantize', str(folder / 'shapes.safetensors'), '-o', str(folder / 'no.xml'),
                 *map(str, options)])


def test_the_files_say_what_they_are_and_from_which_weights(folder):
    digest = sha256_of(folder / 'shapes.safetensors')
    path = folder / 'shapes.xml'

    assert rt_info(path, 'precision') == 'int8'
    assert [rt_info(file, 'source_sha256') for file in (path, rescoring_path(path))] \
        == [digest, digest]


def test_every_convolution_of_the_network_is_int8(folder):
    model = CORE.read_model(folder / 'shapes.xml')
    assert float_layers(model) == []
    # A byte a weight, where the checkpoint has four.
    assert (folder / 'shapes.bin').stat().st_size \
        < 0.3 * (folder / 'shapes.safetensors').stat().st_size


def test_the_light_network_is_int8_in_every_convolution():
    light = Yolact(yolact_plus_lite(3)).eval()
    light.initialize(torch.Generator().manual_seed(0))
    network = convert_network(light)
    images = np.random.default_rng(0).normal(size=(2, 1, 3, 256, 256)).astype(np.float32)

    found = quantize(network, Calibration(list(images), lambda x: x))

    assert float_layers(found) == []
    assert sum(op.get_type_name() == 'Convolution' for op in network.get_ops()) > 30
    ours, plain = (CORE.compile_model(model, 'CPU')(images[0]) for model in (found, network))
    # Random weights are hard on a byte, and the errors of some fifty layers add up.
    for index in range(4):
        assert np.corrcoef(ours[index].ravel(), plain[index].ravel())[0, 1] > 0.9


@pytest.mark.parametrize('options, message', [
    (['--images', 'absent'], "folder 'absent' not found; give --images"),
    (['--images', '{empty}'], 'has no pictures'),
    (['--images', '{broken}'], 'none of the pictures tried .* can be read'),
    (['--data', 'synthetic:odd'], 'synthetic:odd is unknown'),
    (['--data', 'synthetic:easy', '--count', '0'], '--count must be at least 1, got 0'),
    (['--data', 'synthetic:easy', '--max-drop', '2'], r'--max-drop must be in \[0, 1\], got 2.0'),
    (['--data', 'synthetic:easy', '-o', 'a.onnx'], 'ends in .xml, got a.onnx'),
    (['--data', 'synthetic:easy', '-o', 'absent/a.xml'], 'folder absent does not exist'),
], ids=lambda value: ' '.join(value) if isinstance(value, list) else '')
def test_what_cannot_be_calibrated_is_refused(folder, tmp_path, capsys, options, message):
    (tmp_path / 'broken').mkdir()
    (tmp_path / 'broken' / 'a.png').write_bytes(b'no picture')
    (tmp_path / 'empty').mkdir()
    options = [option.format(empty=tmp_path / 'empty', broken=tmp_path / 'broken')
               for option in options]

    assert quantise(folder, *options) == 1
    error = capsys.readouterr().err
    assert re.search(message, error), error
    assert not (folder / 'no.xml').exists()


def test_an_exported_file_is_not_quantised_again(capsys):
    assert main(['quantize', 'a.xml', '--data', 'synthetic:easy']) == 1
    assert 'quantise the checkpoint that it was made from' in capsys.readouterr().err


@pytest.mark.parametrize('package', ['openvino', 'nncf'])
def test_a_missing_package_is_named_with_its_pip_line(folder, capsys, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    assert quantise(folder, '--data', 'synthetic:easy') == 1
    error = capsys.readouterr().err
    assert f"{package} is not installed; install it with: pip install 'yolact_ros[int8]'" in error


def test_images_left_out_and_images_of_one_colour_are_told(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(calibration.logger, 'warning',
                        lambda text, *values: told.append(text % values))
    write_images(tmp_path / 'pictures')
    cv2.imwrite(str(tmp_path / 'pictures' / 'grey.png'), np.full((8, 8, 3), 7, np.uint8))
    args = Namespace(images=tmp_path / 'pictures', data=None, count=10)

    found = calibration.calibration_images(args, 256)

    assert [image.shape for image in found] == [(90, 120, 3), (128, 128, 3), (8, 8, 3)]
    assert 'left out: ' in told[0] and 'broken.png' in told[0]
    assert '1 of 3 calibration pictures are of one colour' in told[1]
    assert 'only 3 calibration pictures' in told[2]


def scored(box_ap, mask_ap):
    """Return an evaluation with these figures."""
    box, mask = (ApSummary({'AP': ap}, (), np.empty(0)) for ap in (box_ap, mask_ap))
    return EvalResult(box, mask, GroundTruth((), {}, (), ()), ())


@pytest.mark.parametrize('after, code', [((0.5, 0.39), 0), ((0.5, 0.37), 1), ((0.47, 0.4), 1)],
                         ids=['near', 'mask fell', 'box fell'])
def test_a_network_that_lost_too_much_is_not_written(folder, tmp_path, capsys, monkeypatch, after,
                                                     code):
    results = iter([scored(0.5, 0.4), *[scored(*after)] * 9])
    monkeypatch.setattr(command._Comparison, '_evaluate', lambda *_: next(results))
    monkeypatch.setattr(command, 'ROUNDS', 1)
    for name in ('quantize', 'quantize_within'):
        monkeypatch.setattr(command, name, lambda network, *_: network)

    assert main(['quantize', str(folder / 'shapes.safetensors'), '--images',
                 str(folder / 'pictures'), '-o', str(tmp_path / 'a.xml'), '--val',
                 'synthetic:easy', '--max-drop', '0.02']) == code
    assert (tmp_path / 'a.xml').exists() == (code == 0)
    if code:
        assert 'AP falls by 0.0300, more than --max-drop 0.02' in capsys.readouterr().err


def test_layers_go_back_to_float_until_the_score_is_reached():
    class Small(torch.nn.Module):
        def __init__(self):
            super().__init__()
            generator = torch.Generator().manual_seed(0)
            self.layers = torch.nn.Sequential(*(torch.nn.Conv2d(8 if index else 3, 8, 3)
                                                for index in range(3)))
            for weight in self.parameters():
                torch.nn.init.normal_(weight, generator=generator)

        def forward(self, x):
            return self.layers(x)

    model = openvino.convert_model(Small(), example_input=torch.zeros(1, 3, 16, 16),
                                   input=[[-1, 3, 16, 16]])
    examples = np.random.default_rng(0).normal(size=(4, 1, 3, 16, 16)).astype(np.float32)
    shown = Calibration(list(examples), lambda x: x)
    wanted = CORE.compile_model(model, 'CPU')(examples[0])[0].copy()

    def score(compiled):
        return 1e3 - float(np.abs(compiled(examples[0])[0] - wanted).max())

    everything = quantize(model, shown)
    limit = (1e3 - score(CORE.compile_model(everything, 'CPU'))) / 10
    found = quantize_within(model, shown, score, limit)

    assert float_layers(everything) == []
    assert len(float_layers(found)) > 0
    assert 1e3 - score(CORE.compile_model(found, 'CPU')) <= limit


def test_quieting_nncf_leaves_the_log_of_the_process(caplog):
    before = [handler.level for handler in logging.root.handlers]

    require_quantizer()
    logging.getLogger('yolact_ros').warning('still heard')

    assert [handler.level for handler in logging.root.handlers] == before
    assert 'still heard' in caplog.text
