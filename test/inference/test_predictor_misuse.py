"""What a predictor cannot do is refused with what to do instead."""

import copy
import pickle
from multiprocessing import get_context

import numpy as np
import pytest

from yolact_ros.inference.predictor import open_predictor

IMAGE = np.zeros((60, 80, 3), np.uint8)


@pytest.fixture(scope='module')
def predictor():
    """Return the packaged model on the CPU."""
    return open_predictor('demo', device='cpu')


def predict_into(pipe, predictor):
    """Send what predict raises."""
    try:
        predictor.predict(IMAGE)
        pipe.send('done')
    except RuntimeError as error:
        pipe.send(str(error))


def test_a_predictor_is_refused_in_a_forked_process_instead_of_hanging(predictor):
    predictor.predict(IMAGE)
    fork = get_context('fork')
    ours, theirs = fork.Pipe()
    child = fork.Process(target=predict_into, args=(theirs, predictor), daemon=True)
    child.start()
    answered = ours.poll(20)
    child.kill()
    assert answered
    assert 'open one after the fork' in ours.recv()


@pytest.mark.parametrize('duplicate', [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_predictor_is_neither_pickled_nor_copied(predictor, duplicate):
    with pytest.raises(TypeError, match=r'open one with open_predictor\(\) in each process'):
        duplicate(predictor)


def test_nothing_is_no_image(predictor):
    with pytest.raises(TypeError, match='must be a uint8 numpy array, got NoneType$'):
        predictor.predict(None)


def test_one_image_is_no_list_of_images(predictor):
    with pytest.raises(ValueError, match=r'list of pictures, got one of \(60, 80, 3\)'):
        predictor.predict_batch(IMAGE)


def test_a_stack_of_images_is_a_list_of_images(predictor):
    assert len(predictor.predict_batch(np.stack([IMAGE, IMAGE]))) == 2
    assert predictor.predict_batch(np.zeros((0, 60, 80, 3), np.uint8)) == []


@pytest.mark.parametrize('images', [None, 7, 'a.png', iter([IMAGE])],
                         ids=['nothing', 'number', 'path', 'iterator'])
def test_what_is_no_list_of_images_is_named(predictor, images):
    with pytest.raises(TypeError, match=r'wants a list of pictures, got (NoneType|int|str|list_)'):
        predictor.predict_batch(images)
