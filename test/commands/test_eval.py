"""`yolact eval` from end to end: models, result files, bad options."""

import argparse
import json

import cv2
import pytest
import torch

from yolact_ros.checkpoint import save_model
from yolact_ros.commands import eval as evaluate
from yolact_ros.commands.synth import Shot, write_dataset
from yolact_ros.config import PostprocessConfig, yolact_plus_tiny
from yolact_ros.inference import predictor
from yolact_ros.model.yolact import Yolact
from yolact_ros.scenes import CLASS_NAMES


def run(*options):
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    return evaluate.run(parser.parse_args([str(option) for option in options]))


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """Return an untrained model of the synthetic classes."""
    model = Yolact(yolact_plus_tiny(class_names=CLASS_NAMES))
    model.initialize(torch.Generator().manual_seed(1))
    path = tmp_path_factory.mktemp('model') / 'untrained.safetensors'
    save_model(path, model)
    return path


@pytest.fixture(scope='module')
def scenes(tmp_path_factory):
    """Return the annotation file of three synthetic images."""
    shots = [Shot(seed, 0.0, (96, 128), 'still', 'easy') for seed in (1, 2, 3)]
    return write_dataset(tmp_path_factory.mktemp('scenes'), 'instances_val.json', shots)


def test_a_checkpoint_is_evaluated_on_files_and_its_detections_score_the_same(
        weights, scenes, tmp_path, capsys):
    saved = tmp_path / 'detections.json'
    assert run('--data', scenes, '--weights', weights, '--out', tmp_path / 'a', '--device', 'cpu',
               '--save-detections', saved, '--worst', 1) == 0
    assert 'mask' in capsys.readouterr().out
    assert run('--data', scenes, '--results', saved, '--out', tmp_path / 'b', '--no-plots') == 0
    first, second = (json.loads((tmp_path / name / 'result.json').read_text()) for name in 'ab')
    assert first['images'] == 3
    # Boxes are written with two digits.
    assert second['box']['AP'] == pytest.approx(first['box']['AP'], abs=1e-3)
    assert second['mask']['AP'] == pytest.approx(first['mask']['AP'], abs=1e-6)
    assert {path.name for path in (tmp_path / 'a').iterdir()} == {
        'result.json', 'precision_recall.png', 'confusion.png', 'worst'}
    assert len(list((tmp_path / 'a' / 'worst').iterdir())) == 1
    assert [path.name for path in (tmp_path / 'b').iterdir()] == ['result.json']


def test_a_checkpoint_is_evaluated_on_the_fixed_scenes(weights, tmp_path, capsys):
    assert run('--data', 'synthetic:easy', '--size', 128, '--max-images', 2, '--weights', weights,
               '--device', 'cpu', '--out', tmp_path, '--original-ap', '--worst', 1) == 0
    content = json.loads((tmp_path / 'result.json').read_text())
    assert content['images'] == 2
    assert 0 <= content['original_ap']['mask']['all'] <= 1
    assert 'original evaluator' in capsys.readouterr().out


def test_the_report_is_one_page_with_settings_and_marked_images(weights, scenes, tmp_path, capsys):
    report = tmp_path / 'new' / 'report.html'
    assert run('--data', scenes, '--weights', weights, '--out', tmp_path, '--device', 'cpu',
               '--report', report, '--worst', 2, '--no-plots') == 0
    html = report.read_text()
    assert html.count('data:image/jpeg;base64,') == 2
    assert '<td>--device</td><td>cpu</td>' in html and f'<td>{weights}</td>' in html
    assert str(report) in capsys.readouterr().out


def test_web_json_of_the_original_gets_a_table_without_images(shared_data, tmp_path, capsys,
                                                                caplog):
    folder = shared_data / 'yolact_dets'
    assert run('--data', folder / 'gt_full.json', '--results', folder / 'dets/yolact_base.json',
               '--out', tmp_path) == 0
    out = capsys.readouterr().out
    assert '4 images, 21 objects' in out and '0.569' in out and '96 pictures' in out
    assert 'no overlays' in caplog.text
    assert cv2.imread(str(tmp_path / 'confusion.png')).std() > 10  # not a blank sheet


@pytest.mark.parametrize('options, message', [
    (['--max-images', 0], 'max-images'), (['--score', 2], 'score'), (['--worst', -1], 'worst'),
    (['--data', 'synthetic:hard', '--results', 'a.json'], 'yolact synth'),
    (['--data', 'synthetic:medium'], 'synthetic:easy')])
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        run('--data', 'synthetic:easy', *options)


def test_a_data_set_with_other_classes_is_refused(weights, scenes, tmp_path):
    content = json.loads(scenes.read_text())
    for category in content['categories']:
        category['name'] = category['name'].replace('mug', 'cup')
    other = scenes.with_name('other.json')
    other.write_text(json.dumps(content))
    with pytest.raises(ValueError, match='does not know cup'):
        run('--data', other, '--weights', weights, '--device', 'cpu', '--out', tmp_path)


def test_a_missing_data_set_is_named_before_a_model_is_loaded(tmp_path):
    with pytest.raises(FileNotFoundError, match='nowhere.json'):
        run('--data', tmp_path / 'nowhere.json', '--weights', tmp_path / 'nothing')


def test_limits_of_the_selection_are_set_and_a_cut_is_told(weights, scenes, tmp_path, monkeypatch,
                                                           caplog):
    chosen = []
    open_predictor = predictor.open_predictor

    def spy(*arguments, **options):
        chosen.append(arguments[5])
        return open_predictor(*arguments, **options)
    monkeypatch.setattr(predictor, 'open_predictor', spy)
    assert run('--data', scenes, '--weights', weights, '--device', 'cpu', '--out', tmp_path,
               '--no-plots', '--iou', 0.7, '--top-k', 400, '--max-instances', 1) == 0
    assert chosen == [PostprocessConfig(score_threshold=0.0, iou_threshold=0.7, top_k=400,
                                        max_instances=1)]
    assert 'hold more than --max-instances 1 objects' in caplog.text


def test_a_limit_that_suffices_is_no_news(weights, scenes, tmp_path, caplog):
    assert run('--data', scenes, '--weights', weights, '--device', 'cpu', '--out', tmp_path,
               '--no-plots') == 0
    assert 'max-instances' not in caplog.text
