"""`yolact train` from its options to its files, and as processes of its own."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from yolact_ros.checkpoint import load_model
from yolact_ros.commands.main import main
from yolact_ros.commands.train import add_arguments, read_config
from yolact_ros.data.coco import CocoDataset

ROOT = Path(__file__).parents[2]
SMALL = ['--preset', 'yolact_plus_tiny', '--model', 'input_size=96', 'fpn_channels=16',
         'mask_rescoring=false', '--batch-size', '2', '--no-autoscale', '--device', 'cpu']


def write_data(folder, count=6, categories=('block',)):
    """Write photos of one noisy block each; return the annotation file."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for number in range(1, count + 1):
        name = f'{number}.png'
        cv2.imwrite(str(folder / name), rng.integers(0, 255, (96, 96, 3), np.uint8))
        images.append({'id': number, 'file_name': name, 'height': 96, 'width': 96})
        annotations.append({
            'id': number, 'image_id': number, 'category_id': 1 + number % len(categories),
            'bbox': [20, 20, 40, 40], 'iscrowd': 0, 'area': 1600,
            'segmentation': [[20, 20, 60, 20, 60, 60, 20, 60]]})
    path = folder / 'data.json'
    path.write_text(json.dumps({
        'images': images, 'annotations': annotations,
        'categories': [{'id': number, 'name': name}
                       for number, name in enumerate(categories, start=1)]}))
    return path


def yolact(*arguments, **environment):
    """Run the command's script in a process of its own."""
    return subprocess.run(
        [sys.executable, ROOT / 'scripts' / 'yolact', *map(str, arguments)], timeout=100,
        capture_output=True, text=True,
        env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1', **environment})


@pytest.fixture
def train(monkeypatch, caplog):
    """Return a function that trains a small network in this process, without its plots."""
    monkeypatch.setattr('yolact_ros.training.trainer.plot_history', lambda folder: None)
    caplog.set_level('INFO')

    def run(*arguments, input_size='96'):
        options = ['--workers', '0', *SMALL]
        options[options.index('input_size=96')] = f'input_size={input_size}'
        return main(['train', *map(str, arguments), *options])
    return run


@pytest.mark.parametrize('strict', [False, True], ids=['told and left out', 'an error'])
def test_photos_that_are_cut_off_are_found_before_the_first_step(
        tmp_path, train, caplog, capsys, strict):
    data = write_data(tmp_path / 'data')
    for name in ('3.png', '5.png'):
        photo = data.with_name(name)
        photo.write_bytes(photo.read_bytes()[:3000])
    code = train(data, '--out', tmp_path / 'run', '--iterations', 1, *['--strict'] * strict)
    told = caplog.text + capsys.readouterr().err
    assert code == int(strict)
    assert '2 pictures cannot be read' in told
    assert '3.png' in told
    assert (tmp_path / 'run').exists() is not strict


def test_a_share_of_the_photos_is_measured_on(tmp_path, train, caplog):
    data = write_data(tmp_path / 'data', 10, ('block', 'brick'))
    assert train('--train', data, '--val', '0.2', '--out', tmp_path / 'run',
                 '--iterations', '1') == 0
    assert '8 photos to learn from, 2 to measure on (seed 0)' in caplog.text
    assert (tmp_path / 'run/ap.csv').is_file()
    kept = CocoDataset(tmp_path / 'run/val.json')
    assert (len(kept), len(CocoDataset(tmp_path / 'run/train.json'))) == (2, 8)
    assert kept.class_names == ('block', 'brick')
    assert main(['eval', '--data', str(tmp_path / 'run/val.json'), '--no-plots', '--weights',
                 str(tmp_path / 'run/last.safetensors'), '--out', str(tmp_path / 'eval')]) == 0


def test_one_folder_is_learnt_and_its_part_val_measured(tmp_path, train, caplog):
    for part in ('train', 'valid'):
        write_data(tmp_path / 'export' / part, 6 if part == 'train' else 2, ('block', 'brick'))
    assert train(tmp_path / 'export', '--out', tmp_path / 'run', '--iterations', '1',
                 '--classes', 'brick=stone') == 0
    assert '1 classes: stone 3' in caplog.text
    assert (tmp_path / 'run/ap.csv').is_file()
    assert (tmp_path / 'run/contact_sheet.jpg').is_file()


def test_a_folder_alone_is_learnt_by_the_recipe_for_photos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run/state.pt').touch()
    (tmp_path / 'run/config.yaml').write_text('learning_rate: 0.5')
    assert options('my_data').optimizer == 'adamw'
    assert options('my_data').train == 'my_data'
    assert options('--train', 'my_data').optimizer == 'sgd'
    assert options('my_data', '--config', 'coco').optimizer == 'sgd'
    assert options('my_data', '--resume', '--out', 'run').learning_rate == 0.5


def options(*arguments):
    """Return the configuration of `yolact train` with the arguments."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return read_config(parser.parse_args(arguments))


def test_a_part_val_of_its_own_is_measured_on_instead_of_a_share(tmp_path, train, caplog):
    for part in ('train', 'valid'):
        write_data(tmp_path / 'export' / part, 6 if part == 'train' else 2, ('block', 'brick'))
    assert train(tmp_path / 'export', '--val', '0.2', '--out', tmp_path / 'run',
                 '--iterations', '1') == 0
    assert 'has a part val of its own, which is measured on instead of a share of 0.2' in (
        caplog.text)
    assert 'export, to learn from: 6 images' in caplog.text
    assert 'export, to measure on: 2 images' in caplog.text
    assert [len(CocoDataset(tmp_path / 'run' / f'{name}.json')) for name in ('train', 'val')] == [
        6, 2]


def test_a_file_that_was_named_to_measure_on_is_not_listed_again(tmp_path, train):
    data = write_data(tmp_path / 'data', 4)
    assert train('--train', data, '--val', data, '--out', tmp_path / 'run',
                 '--iterations', '1') == 0
    assert not (tmp_path / 'run/val.json').exists()


@pytest.fixture(params=['fork', 'forkserver', 'spawn'])
def start_method(request, tmp_path):
    """Return the environment of a Python whose processes start that way."""
    (tmp_path / 'sitecustomize.py').write_text(
        'import multiprocessing\n'
        f'multiprocessing.set_start_method({request.param!r}, force=True)\n')
    return {'PYTHONPATH': f'{tmp_path}{os.pathsep}{ROOT}'}


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_commands_work_with_every_start_method(tmp_path, start_method):
    made = yolact('synth', tmp_path / 'data', '--count', 4, '--size', 96, '--workers', 2,
                  **start_method)
    assert made.returncode == 0, made.stderr
    data = tmp_path / 'data/annotations/instances_train.json'
    done = yolact('train', '--train', data, '--out', tmp_path / 'run', '--iterations', 2, *SMALL,
                  **start_method)
    assert done.returncode == 0, done.stderr
    measured = yolact('eval', '--data', data, '--weights', tmp_path / 'run/last.safetensors',
                      '--device', 'cpu', '--no-plots', '--out', tmp_path / 'eval', **start_method)
    assert measured.returncode == 0, measured.stderr


def test_a_wide_input_is_learnt_measured_and_kept(tmp_path, train):
    data = write_data(tmp_path / 'data', 4, ('block', 'brick'))
    assert train('--train', data, '--val', data, '--out', tmp_path / 'run', '--iterations', '2',
                 input_size='[64, 96]') == 0
    assert load_model(tmp_path / 'run/last.safetensors')[1].input_size == (64, 96)
    assert (tmp_path / 'run/ap.csv').is_file()


def test_a_refused_resume_leaves_the_configuration_as_it_is(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch, 'set_num_threads', lambda count: None)
    run = ['train', '--out', str(tmp_path / 'run'), '--workers', '0', *SMALL]
    assert main([*run, str(write_data(tmp_path / 'data')), '--iterations', '1']) == 0
    before = (tmp_path / 'run/config.yaml').read_text()
    assert main([*run, str(write_data(tmp_path / 'other', 4)), '--resume']) == 1
    assert 'not what this training began with: pictures 6 -> 4' in capsys.readouterr().err
    assert (tmp_path / 'run/config.yaml').read_text() == before
