"""Reading and writing weights, and refusing what is none."""

import dataclasses
import errno
import json
import os
import pickle
from pathlib import Path

import pytest
import safetensors.torch
import torch

from yolact_ros.checkpoint import (
    load_backbone,
    load_matching,
    load_model,
    resolve_weights,
    save_model,
)
from yolact_ros.config import MODEL_PRESETS, yolact_base, yolact_plus_tiny, yolact_resnet50
from yolact_ros.model.yolact import Yolact
from yolact_ros.weights.checkpoint_file import read_checkpoint
from yolact_ros.weights.state_dict import clean_published_keys


def make_model(config=None):
    """Return a seeded network."""
    model = Yolact(config or yolact_plus_tiny(3))
    model.initialize(torch.Generator().manual_seed(0))
    return model


@pytest.fixture(scope='module')
def resnet50_state():
    """Return a state dict as the original would save yolact_resnet50."""
    return make_model(yolact_resnet50()).state_dict()


def write_large(config, path):
    """Write a network as the original would, every tensor of one number of its own; return it."""
    with torch.device('meta'):
        model = Yolact(config)
    state = {key: torch.full((), number, dtype=tensor.dtype).expand(tensor.shape)
             for number, (key, tensor) in enumerate(model.state_dict().items())}
    torch.save(state, path)  # only the number
    return state


def assert_same_weights(model, state):
    """Check that every tensor of the model is the state's."""
    own = model.state_dict()
    assert all(torch.equal(own[key], tensor) for key, tensor in state.items() if key in own)


@pytest.mark.parametrize('name', ['yolact_im400', 'yolact_resnet50_pascal'])
def test_published_files_tell_their_network(name, tmp_path):
    path = tmp_path / f'{name}_54_800000.pth'
    state = write_large(MODEL_PRESETS[name](), path)

    model, config = load_model(path)

    assert config == MODEL_PRESETS[name]()
    assert not model.training
    assert_same_weights(model, state)


def test_the_old_pickle_format_loads(tmp_path, resnet50_state):
    path = tmp_path / 'weights.pth'
    torch.save(resnet50_state, path, _use_new_zipfile_serialization=False)

    model, config = load_model(path)

    assert config == yolact_resnet50()
    assert_same_weights(model, resnet50_state)


def test_quirks_of_old_files_are_mended(tmp_path, resnet50_state):
    old = {key: value for key, value in resnet50_state.items() if 'num_batches' not in key}
    old['backbone.layer1.0.conv1.weight'] = torch.zeros(1)
    old['fpn.downsample_layers.2.weight'] = torch.zeros(1)
    torch.save(old, tmp_path / 'old.pth')

    assert_same_weights(load_model(tmp_path / 'old.pth')[0], resnet50_state)


@pytest.mark.parametrize('prefix', ['module.', '_orig_mod.', 'model.', 'module._orig_mod.model.'])
def test_keys_lose_the_prefixes_of_wrappers(prefix, tmp_path):
    model = make_model()
    state = {prefix + key: tensor for key, tensor in model.state_dict().items()}
    torch.save(state, tmp_path / 'wrapped.pth')
    safetensors.torch.save_file(state, tmp_path / 'wrapped.safetensors')

    for name in ('wrapped.pth', 'wrapped.safetensors'):
        loaded, _ = load_model(tmp_path / name, model.config)
        assert_same_weights(loaded, model.state_dict())


def test_a_wrapper_is_stripped_at_the_beginning_only():
    tensor = torch.zeros(1)
    assert list(clean_published_keys({'fpn.model.weight': tensor})) == ['fpn.model.weight']


def test_what_stands_beside_the_tensors_is_left_out(tmp_path):
    model = make_model()
    torch.save({'epoch': 3, 'optimizer': {'lr': 0.1}, **model.state_dict()}, tmp_path / 'my.pth')

    assert_same_weights(load_model(tmp_path / 'my.pth', model.config)[0], model.state_dict())


def test_an_ambiguous_file_takes_the_explicit_config(tmp_path):
    write_large(yolact_base(2), tmp_path / 'mine.pth')

    assert load_model(tmp_path / 'mine.pth')[1].name == 'yolact_base'
    assert load_model(tmp_path / 'mine.pth', 'yolact_im700')[1].input_size == 700
    names = yolact_base(class_names=['nut', 'fig'])
    assert load_model(tmp_path / 'mine.pth', names)[1].class_names == ('nut', 'fig')


@pytest.mark.parametrize('half', [False, True])
def test_own_files_carry_configuration_and_class_names(half, tmp_path):
    model = make_model(yolact_plus_tiny(class_names=['nut', 'fig']))
    save_model(tmp_path / 'own.safetensors', model, half=half)

    loaded, config = load_model(tmp_path / 'own.safetensors')

    assert config == model.config
    for key, tensor in model.state_dict().items():
        expected = tensor.half().float() if half and tensor.is_floating_point() else tensor
        assert torch.equal(loaded.state_dict()[key], expected)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'own.safetensors'
    save_model(path, make_model())
    before = path.read_bytes()

    def full_disk(self, data):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(Path, 'write_bytes', full_disk)
    with pytest.raises(OSError, match='No space left'):
        save_model(path, make_model())

    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ['own.safetensors']


class Payload:
    """An object whose unpickling runs code."""

    def __reduce__(self):
        """Write a file when unpickled."""
        return os.mkdir, ('pwned',)


def broken_files(folder, state):
    """Yield (name, expected message) of files that are no checkpoints."""
    (folder / 'empty.pth').write_bytes(b'')
    yield 'empty.pth', 'is empty'
    (folder / 'page.pth').write_text('<!DOCTYPE html><html>Sign in</html>')
    yield 'page.pth', 'web page .HTML., not a checkpoint.*yolact download'
    (folder / 'text.pth').write_text('hello')
    yield 'text.pth', 'no checkpoint, or a truncated one'
    torch.save(state, folder / 'whole.pth')
    whole = (folder / 'whole.pth').read_bytes()
    (folder / 'truncated.pth').write_bytes(whole[:len(whole) // 2])
    yield 'truncated.pth', 'truncated or damaged.*again'
    torch.save({'state_dict': state}, folder / 'wrapped.pth')
    yield 'wrapped.pth', 'not a bare state dict.*keys state_dict'
    torch.save({'step': torch.tensor(3), 'model': state}, folder / 'step.pth')
    yield 'step.pth', 'not a bare state dict.*keys step, model'
    torch.save({0: torch.zeros(1)}, folder / 'list.pth')
    yield 'list.pth', 'not a bare state dict.*keys 0'
    torch.save({'a': torch.full((2,), torch.nan)}, folder / 'nan.pth')
    yield 'nan.pth', 'NaN or infinite weights in 1 tensors, first a'
    torch.save({'conv1.weight': torch.zeros(1), 'layer1.0.conv1.weight': torch.zeros(1)},
               folder / 'backbone.pth')
    yield 'backbone.pth', 'ImageNet backbone, not a YOLACT model'
    torch.save({'features.0.weight': torch.zeros(1)}, folder / 'other.pth')
    yield 'other.pth', 'not a YOLACT checkpoint.*first keys are features.0.weight'
    torch.save({key: value for key, value in state.items() if key != 'proto_net.8.bias'},
               folder / 'incomplete.pth')
    yield 'incomplete.pth', r'does not fit.*1 keys missing \(first: proto_net.8.bias\)'
    (folder / 'lfs.pth').write_text('version https://git-lfs.github.com/spec/v1\n')
    yield 'lfs.pth', 'git-lfs pointer'
    yield 'absent.pth', 'absent.pth not found; give a path to a checkpoint or one of: demo'
    yield '.', 'is a folder, wanted a file'


def test_files_that_are_no_checkpoints_are_explained(tmp_path):
    state = make_model().state_dict()

    for name, message in broken_files(tmp_path, state):
        with pytest.raises((ValueError, OSError), match=message):
            load_model(tmp_path / name)


def test_a_pickle_that_would_run_code_does_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({'weights': Payload()}, 'evil.pth')

    with pytest.raises(ValueError, match='could run code'):
        load_model('evil.pth')
    assert not (tmp_path / 'pwned').exists()


def test_own_files_that_lack_weights_are_called_damaged(tmp_path):
    save_model(tmp_path / 'a.safetensors', make_model())
    with safetensors.safe_open(tmp_path / 'a.safetensors', 'pt') as file:
        metadata = file.metadata()
        state = {key: file.get_tensor(key) for key in list(file.keys())[1:]}
    safetensors.torch.save_file(state, tmp_path / 'b.safetensors', metadata)

    with pytest.raises(ValueError, match='1 keys missing .*damaged; copy or write it again'):
        load_model(tmp_path / 'b.safetensors')


def test_a_plain_pickle_is_refused_without_warnings_of_torch(tmp_path, recwarn):
    (tmp_path / 'evil.pth').write_bytes(pickle.dumps({'weights': Payload()}, protocol=4))

    with pytest.raises(ValueError, match='could run code'):
        load_model(tmp_path / 'evil.pth')
    assert [str(warning.message) for warning in recwarn] == []


@pytest.mark.parametrize('config, message', [
    ('yolact_base', 'does not fit the configuration yolact_base with 80 classes.*Choose another'),
    ('yolact_resnet51', "config 'yolact_resnet51' is unknown; known: yolact_base"),
    (yolact_resnet50(3), 'with 3 classes.*shapes different .first: prediction_layers.0.conf')],
    ids=['other network', 'unknown', 'class count'])
def test_a_config_that_does_not_fit_is_explained(config, message, tmp_path, resnet50_state):
    torch.save(resnet50_state, tmp_path / 'a.pth')

    with pytest.raises(ValueError, match=message):
        load_model(tmp_path / 'a.pth', config)


def test_a_newer_format_is_refused(tmp_path):
    metadata = {'format': 'yolact_ros', 'format_version': '99', 'config': json.dumps({})}
    safetensors.torch.save_file({'a': torch.zeros(1)}, tmp_path / 'new.safetensors', metadata)

    with pytest.raises(ValueError, match='format version 99, this yolact_ros reads version 1'):
        load_model(tmp_path / 'new.safetensors')


def test_a_file_with_its_own_configuration_refuses_another(tmp_path):
    save_model(tmp_path / 'own.safetensors', make_model())

    assert load_model(tmp_path / 'own.safetensors', 'yolact_plus_tiny')[1] == yolact_plus_tiny(3)
    with pytest.raises(ValueError, match='carries its own configuration'):
        load_model(tmp_path / 'own.safetensors', 'yolact_base')


def test_fine_tuning_loads_what_fits_and_names_the_rest(tmp_path):
    save_model(tmp_path / 'three.safetensors', make_model())
    model = Yolact(yolact_plus_tiny(5))

    report = load_matching(model, tmp_path / 'three.safetensors')

    layers = {key.rsplit('.', 1)[0] for key in report.mismatched}
    assert layers == {'prediction_layers.0.conf_layer', 'semantic_seg_conv',
                      'maskiou_net.maskiou_net.10'}
    assert report.missing == report.unused == ()
    loaded = make_model().state_dict()
    assert torch.equal(model.state_dict()['proto_net.0.weight'], loaded['proto_net.0.weight'])


def test_nothing_that_fits_is_an_error(tmp_path):
    torch.save({'features.0.weight': torch.zeros(1)}, tmp_path / 'other.pth')

    with pytest.raises(ValueError, match='nothing in .* fits the model yolact_plus_tiny'):
        load_matching(make_model(), tmp_path / 'other.pth')


def imagenet_file(model, path):
    """Write the backbone of a model under torchvision's names, with a classifier."""
    state = {}
    for key, tensor in model.backbone.state_dict().items():
        if key.startswith('layers.'):
            _, stage, rest = key.split('.', 2)
            key = f'layer{int(stage) + 1}.{rest}'
        if 'conv_offset_mask' not in key and not key.endswith('conv2.bias'):
            state[key] = tensor
    torch.save({**state, 'fc.weight': torch.zeros(10, 4)}, path)


@pytest.mark.parametrize('config', [yolact_resnet50(2), MODEL_PRESETS['yolact_plus_resnet50'](2)],
                         ids=['plain', 'deformable'])
def test_an_imagenet_backbone_fills_the_backbone(config, tmp_path):
    source = make_model(config)
    imagenet_file(source, tmp_path / 'resnet50-19c8e357.pth')
    model = Yolact(config)

    report = load_backbone(model, tmp_path / 'resnet50-19c8e357.pth')

    assert report.unused == ('backbone.fc.weight',)
    key = 'backbone.layers.3.2.conv2.weight'
    assert torch.equal(model.state_dict()[key], source.state_dict()[key])


def test_the_backbone_of_another_network_is_refused(tmp_path):
    imagenet_file(make_model(yolact_resnet50(2)), tmp_path / 'resnet50.pth')

    with pytest.raises(ValueError, match='does not fit the backbone resnet101'):
        load_backbone(Yolact(yolact_base(2)), tmp_path / 'resnet50.pth')


def test_a_known_name_that_is_not_cached_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))

    with pytest.raises(FileNotFoundError, match='yolact download yolact_base'):
        resolve_weights('yolact_base')


@pytest.mark.parametrize('make', [os.mkfifo, lambda path: os.symlink('/dev/zero', path)],
                         ids=['pipe', 'device'])
def test_weights_that_never_end_are_refused_unread(make, tmp_path):
    make(tmp_path / 'a.pth')

    with pytest.raises(ValueError, match='wanted a regular file'):
        load_model(tmp_path / 'a.pth')


def test_a_file_too_large_for_weights_is_refused_unread(tmp_path):
    with (tmp_path / 'a.pth').open('wb') as file:
        file.truncate(3 << 30)  # sparse

    with pytest.raises(ValueError, match='has 3072 MiB, wanted at most 2048'):
        load_model(tmp_path / 'a.pth')


def test_names_are_given_to_a_file_that_does_not_tell_them(tmp_path, caplog):
    write_large(yolact_resnet50(20), tmp_path / 'mine.pth')
    assert load_model(tmp_path / 'mine.pth', 'yolact_resnet50')[1].num_classes == 20
    assert 'mine.pth does not name its 20 classes' in caplog.text
    caplog.clear()
    names = [f'thing {number}' for number in range(20)]
    _, config = load_model(tmp_path / 'mine.pth', 'yolact_resnet50', names)
    assert config.class_names == tuple(names) and not caplog.text
    with pytest.raises(ValueError, match='20 classes, got 1 class_names'):
        load_model(tmp_path / 'mine.pth', 'yolact_resnet50', ['cup'])


def test_a_rectangular_input_is_kept(tmp_path):
    wide = dataclasses.replace(yolact_plus_tiny(3), input_size=(64, 96))
    save_model(tmp_path / 'wide.safetensors', Yolact(wide))
    assert load_model(tmp_path / 'wide.safetensors')[1] == wide


def test_own_checkpoints_keep_their_names(tmp_path):
    save_model(tmp_path / 'own.safetensors', make_model())
    assert load_model(tmp_path / 'own.safetensors', class_names=['a'])[1] == yolact_plus_tiny(3)


@pytest.mark.parametrize('changes, words', [
    ({'class_names': 3}, 'class_names is 3'), ({'input_size': '256'}, 'input_size is 256'),
    ({'input_size': [192]}, 'input_size is'), ({'input_size': [192, '352']}, 'input_size is'),
    ({'anchor_scales': [[24], [48], [96], [192], [{}]]}, 'anchor_scales is'),
    ({'pixel_mean': [1.0, 2.0]}, 'pixel_mean is'), ({'num_prototypes': 0}, 'num_prototypes')],
    ids=['names', 'text', 'one side', 'text in a pair', 'nested', 'length', 'range'])
def test_a_stored_configuration_of_other_types_is_refused_in_words(tmp_path, changes, words):
    config = {**dataclasses.asdict(yolact_plus_tiny(3)), **changes}
    path = tmp_path / 'a.safetensors'
    safetensors.torch.save_file({'a': torch.ones(1)}, path, {
        'format': 'yolact_ros', 'format_version': '1', 'config': json.dumps(config)})
    with pytest.raises(ValueError, match=f'damaged model configuration .{words}'):
        load_model(path)


@pytest.mark.parametrize('old', [True, False], ids=['old format', 'zip'])
def test_flipped_bytes_anywhere_in_a_pickle_are_refused_in_words(tmp_path, old):
    path = tmp_path / 'a.pth'
    torch.save({'a.b': torch.ones(2)}, path, _use_new_zipfile_serialization=not old)
    whole, kinds = path.read_bytes(), set()
    for place in range(0, len(whole), 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1:])
        try:
            read_checkpoint(path)
        except Exception as error:
            kinds.add(type(error))
    assert kinds == {ValueError}
