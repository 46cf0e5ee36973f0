"""The training configuration: files, flags, and errors that name file, key and what is allowed."""

import argparse
from dataclasses import fields
from pathlib import Path

import pytest

from yolact_ros.commands.train import build_model_config
from yolact_ros.training import config_file
from yolact_ros.training.config import TrainConfig
from yolact_ros.training.config_file import (
    add_flags,
    field_texts,
    load_train_config,
    overrides_of,
    write_train_config,
)
from yolact_ros.training.optimizer import Schedule, make_schedule

CONFIGS = sorted((Path(__file__).parents[2] / 'config').glob('train_*.yaml'))


def parse(*flags):
    parser = argparse.ArgumentParser()
    add_flags(parser)
    return overrides_of(parser.parse_args(flags))


def yaml_file(tmp_path, text):
    path = tmp_path / 'train_cups.yaml'
    path.write_text(text)
    return path


def test_nothing_given_is_the_published_recipe():
    config = load_train_config(None)
    assert (config.optimizer, config.learning_rate, config.momentum, config.weight_decay,
            config.batch_size, config.iterations) == ('sgd', 1e-3, .9, 5e-4, 8, 800_000)


def test_flags_override_the_file_and_sections_merge(tmp_path):
    path = yaml_file(tmp_path, 'learning_rate: 1e-4\nbatch_size: 4\naugment: {crop: false, '
                     'max_expand: 2}\nclasses: [a, b]\n')
    config = load_train_config(path, parse('--batch-size', '6', '--augment', 'max_expand=3',
                                           '--no-autoscale', '--lr-drops', '10', '20'))
    assert (config.learning_rate, config.batch_size, config.autoscale) == (1e-4, 6, False)
    assert (config.augment.crop, config.augment.max_expand) == (False, 3.0)
    assert (config.lr_drops, config.classes) == ((10, 20), ('a', 'b'))


def test_results_go_to_a_folder_named_after_the_file(tmp_path):
    assert load_train_config(yaml_file(tmp_path, 'seed: 1')).out == 'runs/cups'


@pytest.mark.parametrize('text, message', [
    ('learning_rat: 1', 'train_cups.yaml: unknown key learning_rat; allowed: .*learning_rate'),
    ('augment: {krop: 1}', 'train_cups.yaml: unknown key augment.krop; allowed: .*crop'),
    ('batch_size: many', "train_cups.yaml: batch_size must be int, got 'many'"),
    ('batch_size: 2.5', 'batch_size must be int, got 2.5'),
    ('autoscale: maybe', "autoscale must be bool, got 'maybe'"),
    ('hours: .nan', 'hours must be float, got nan'),
    ('weight_decay: .inf', 'weight_decay must be float, got inf'),
    ('batch_size: 0', 'train_cups.yaml: batch_size must be at least 1, got 0'),
    ('optimizer: adam', "train_cups.yaml: optimizer must be one of sgd, adamw, got 'adam'"),
    ('loss: {masks_to_train: 0}', 'train_cups.yaml: loss.masks_to_train must be at least 1'),
    ('augment: 3', 'augment must hold'),
    ('- a', 'must hold "key: value" lines'),
    ('a: [', 'not valid YAML'),
    ('weights: a.pth\nbackbone_weights: b.pth', 'leave backbone_weights out')])
def test_errors_name_file_key_and_what_is_allowed(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        load_train_config(yaml_file(tmp_path, text))


@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16'])
def test_a_file_of_windows_is_read(tmp_path, encoding):
    path = yaml_file(tmp_path, 'iterations: 7')
    path.write_text(path.read_text(), encoding=encoding)
    assert load_train_config(path).iterations == 7


def test_a_file_in_an_older_encoding_is_named(tmp_path):
    path = yaml_file(tmp_path, '')
    path.write_bytes('classes: [Fußball]'.encode('latin-1'))
    with pytest.raises(ValueError, match=f'{path.name} is no text in UTF-8'):
        load_train_config(path)


def test_a_missing_file_is_named():
    with pytest.raises(FileNotFoundError, match='no.yaml'):
        load_train_config('no.yaml')


def test_a_section_flag_without_value_is_refused():
    with pytest.raises(ValueError, match="--loss wants KEY=VALUE, got 'mask_weight'"):
        parse('--loss', 'mask_weight')


def test_a_written_configuration_reads_back_the_same(tmp_path):
    config = load_train_config(None, {'classes': ['a'], 'freeze_batch_norm': 'no', 'model':
                                      {'input_size': 128}, 'lr_drops': [5]})
    write_train_config(config, tmp_path / 'config.yaml')
    assert load_train_config(tmp_path / 'config.yaml') == config


def test_a_recipe_is_found_by_its_name_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load_train_config('photos')
    assert (config.start, config.preset, config.weights) == ('demo', 'yolact_plus_lite', 'demo')
    assert config.out == 'runs/photos'
    (tmp_path / 'photos').write_text('iterations: 3')
    assert load_train_config('photos').iterations == 3


@pytest.mark.parametrize('place', ['lib/python3.12/site-packages',
                                   'local/lib/python3.10/dist-packages', '.'],
                         ids=['prefix', 'below local', 'pip install --target'])
def test_recipes_are_found_where_the_package_is_installed(tmp_path, monkeypatch, place):
    recipe = tmp_path / 'share/yolact_ros/config/train_photos.yaml'
    recipe.parent.mkdir(parents=True)
    recipe.write_text('iterations: 7')
    monkeypatch.setattr(config_file, '__file__',
                        str(tmp_path / place / 'yolact_ros/training/config_file.py'))
    assert config_file.find_config('photos').resolve() == recipe


def test_an_unknown_recipe_is_told_the_known_ones():
    with pytest.raises(FileNotFoundError, match='train_photo.yaml not found; give a file, or a '
                                                'recipe of the package: .*photos'):
        load_train_config('train_photo.yaml')


@pytest.mark.parametrize('flags, wanted', [
    (('--start', 'demo'), ('demo', 'yolact_plus_lite', 'demo')),
    (('--preset', 'yolact_base'), ('', 'yolact_base', '')),
    (('--weights', 'demo'), ('', 'yolact_plus_lite', 'demo')),
    (('--start=', '--weights', 'demo'), ('', 'yolact_plus_lite', 'demo')),
    (('--weights', 'x.pth', '--preset', 'yolact_base'), ('', 'yolact_base', 'x.pth'))],
    ids=['another start', 'a preset', 'weights that tell their preset', 'no start', 'both'])
def test_flags_are_a_start_of_their_own(tmp_path, flags, wanted):
    config = load_train_config(yaml_file(tmp_path, 'start: lite'), parse(*flags))
    assert (config.start, config.preset, config.weights) == wanted


@pytest.mark.parametrize('text, preset', [
    ('weights: demo', 'yolact_plus_lite'), ('{weights: demo, preset: yolact_base}', 'yolact_base'),
    ('weights: no_such.pth', 'yolact_resnet50')])
def test_weights_in_a_file_tell_their_preset_too(tmp_path, text, preset):
    assert load_train_config(yaml_file(tmp_path, text)).preset == preset


@pytest.mark.parametrize('weights', ['[demo]', '{a: 1}'])
def test_weights_that_are_no_name_are_refused(tmp_path, weights):
    with pytest.raises(ValueError, match='weights must be str'):
        load_train_config(yaml_file(tmp_path, f'weights: {weights}'))


@pytest.mark.parametrize('start', ['heavy', '[lite]', '{a: 1}', '3'])
def test_an_unknown_start_is_refused(tmp_path, start):
    with pytest.raises(ValueError, match='start must be (one of .*lite, demo|str, got a)'):
        load_train_config(yaml_file(tmp_path, f'start: {start}'))


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.name)
def test_the_packaged_configurations_load_and_build_a_network(path):
    config = load_train_config(path)
    assert config.learning_rate > 0
    assert build_model_config(config, ('a', 'b')).num_classes == 2


def test_there_are_packaged_configurations():
    assert CONFIGS


@pytest.mark.parametrize('kind', [TrainConfig, type(TrainConfig().augment)])
def test_every_field_has_a_text_for_its_flag(kind):
    assert set(field_texts(kind)) == {item.name for item in fields(kind)}


def test_model_fields_that_do_not_exist_are_named():
    config = load_train_config(None, {'model': {'input_side': 3}})
    with pytest.raises(ValueError, match='model.input_side; allowed: .*input_size'):
        build_model_config(config, ('a',))


@pytest.mark.parametrize('field, wanted', [
    ({'num_prototypes': 32.0}, 'int'), ({'prototype_scale': 4.0}, 'int'),
    ({'fpn_channels': '128'}, 'int'), ({'mask_rescoring': 3}, 'bool'), ({'name': 7}, 'str'),
    ({'anchor_ratios': ['1']}, r'tuple\[float, ...\]'), ({'dcn_blocks': None}, 'tuple')], ids=str)
def test_model_fields_of_another_type_are_refused(field, wanted):
    [name] = field
    with pytest.raises(ValueError, match=f'model.{name} is .*, wanted {wanted}'):
        build_model_config(TrainConfig(model=field), ('a',))


def test_classes_come_from_the_data_not_from_the_model_section():
    config = load_train_config(None, {'model': {'class_names': ['x']}})
    with pytest.raises(ValueError, match='classes come from the data'):
        build_model_config(config, ('a',))


PUBLISHED = make_schedule(TrainConfig())


@pytest.mark.parametrize('step, rate', [
    (0, 1e-4), (250, 5.5e-4), (500, 1e-3), (279_999, 1e-3), (280_000, 1e-4), (600_000, 1e-5),
    (700_000, 1e-6), (750_000, 1e-7)])
def test_the_published_schedule(step, rate):
    assert PUBLISHED.rate(step) == pytest.approx(rate)


def test_another_batch_scales_rates_and_steps_but_not_the_warm_up():
    config = TrainConfig(batch_size=16)
    schedule = make_schedule(config)
    assert config.steps == 400_000
    assert schedule.rate(500) == pytest.approx(2e-3)
    assert schedule.rate(139_999) == pytest.approx(2e-3)
    assert schedule.rate(140_000) == pytest.approx(2e-4)
    assert schedule.rate(0) == pytest.approx(1e-4)


@pytest.mark.parametrize('kind, rates', [
    ('cosine', [0.0, 1.0, 0.5, 0.0]), ('onecycle', [0.04, 1.0, 0.5, 0.0]),
    ('constant', [0.0, 1.0, 1.0, 1.0])])
def test_other_schedules_at_start_peak_half_way_and_end(kind, rates):
    schedule = Schedule(kind, 1.0, 110, warmup=10, warmup_start=0.0)
    assert [schedule.rate(step) for step in (0, 10, 60, 110)] == pytest.approx(rates)


@pytest.mark.parametrize('written', ['input_size: [192, 352]', 'input_size: 192x352'])
def test_a_file_may_ask_for_a_rectangle(tmp_path, written):
    (tmp_path / 'a.yaml').write_text(f'preset: yolact_plus_lite\nmodel: {{{written}}}\n')
    config = load_train_config(tmp_path / 'a.yaml')
    assert build_model_config(config, ('a',)).input_size == (192, 352)
    write_train_config(config, tmp_path / 'b.yaml')
    assert load_train_config(tmp_path / 'b.yaml') == config


@pytest.mark.parametrize('value, message', [
    ([200, 352], 'multiples of 32, got 200x352; nearest: 192x352'),
    ([192, 352, 3], r'got \[192, 352, 3\]|got \(192, 352, 3\)'), ('192x-64', 'at least 64 px'),
    ('wide', "got 'wide'")], ids=str)
def test_an_impossible_rectangle_is_refused(value, message):
    with pytest.raises(ValueError, match=f'input_size .*{message}'):
        build_model_config(TrainConfig(model={'input_size': value}), ('a',))
