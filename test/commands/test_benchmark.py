"""The benchmark measures what it says."""

import json
import mmap
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from yolact_ros.benchmark import measure as measure_module
from yolact_ros.benchmark.baseline import PlainPredictor
from yolact_ros.benchmark.busy import busy_neighbours, with_neighbours
from yolact_ros.benchmark.frames import noise_image, seeded_network
from yolact_ros.benchmark.measure import (
    Timing,
    count_flop,
    measure,
    measured_peak,
    peak_memory_mb,
    speedup,
)
from yolact_ros.benchmark.paced import measure_paced
from yolact_ros.benchmark.plots import plot_scaling
from yolact_ros.benchmark.scaling import measure_scaling
from yolact_ros.benchmark.scripted import ScriptedBackend
from yolact_ros.checkpoint import save_model
from yolact_ros.commands.main import main
from yolact_ros.config import PostprocessConfig, yolact_plus_tiny
from yolact_ros.devices import fast_precisions
from yolact_ros.inference.backends.torch_backend import TorchBackend
from yolact_ros.inference.predictor import Predictor
from yolact_ros.structures import ImageSize

CPU = torch.device('cpu')
SMALL = replace(yolact_plus_tiny(num_classes=7), input_size=128)


@pytest.fixture(scope='module')
def backend():
    return TorchBackend(seeded_network(SMALL), CPU, 'float32')


@pytest.fixture
def known_peak(monkeypatch):
    """Spare a test the seconds in which the peak of this machine is measured."""
    monkeypatch.setattr('yolact_ros.commands.benchmark.measured_peak', lambda *_: 1e11)


@pytest.mark.parametrize('count', [0, 1, 20, 100])
def test_a_script_is_followed_to_the_object(backend, count):
    predictor = Predictor(ScriptedBackend(backend, count), PostprocessConfig())

    found = predictor.predict(noise_image(ImageSize(90, 160)))

    assert len(found) == count
    assert all(found.areas > 0)
    assert set(predictor.stage_ms) == {'preprocess', 'network', 'detect', 'assemble', 'rescore',
                                       'pixels'}


def test_the_baseline_finds_the_same_masks(backend):
    rgb = noise_image(ImageSize(90, 160))
    fast = Predictor(ScriptedBackend(backend, 12), PostprocessConfig()).predict(rgb)

    scores, class_ids, masks = PlainPredictor(seeded_network(SMALL), CPU, 12).predict(rgb)

    order = np.argsort(-scores, kind='stable')
    np.testing.assert_allclose(scores[order], fast.scores, atol=1e-5)
    assert class_ids[order].tolist() == fast.class_ids.tolist()
    differing = masks[order] != fast.full_masks()
    assert differing.mean() < 1e-4   # float32 rounding at the value 0.5


def test_variants_take_turns_and_warm_up_calls_do_not_count():
    calls = []

    def work(name):
        return lambda: calls.append(name) or {'stage': float(len(calls))}

    timings = measure({'a': work('a'), 'b': work('b')}, rounds=2, warmup=1)

    assert calls == ['a', 'b'] * 3
    assert timings['a'].stage_ms == {'stage': [3.0, 5.0]}
    assert len(timings['b'].frame_ms) == 2


def test_summary_and_speedup_by_hand():
    slow = Timing([40.0, 100.0, 60.0], [40.0, 40.0, 40.0], {'network': [1.0, 2.0, 9.0]})
    fast = Timing([10.0, 50.0, 20.0], [10.0, 20.0, 10.0], {})

    assert slow.summary()['frame_ms'] == {'median': 60.0, 'p95': 96.0}
    assert slow.summary()['stage_ms'] == {'network': {'median': 2.0, 'p95': 8.3}}
    assert speedup(slow, fast) == {'wall': 3.0, 'cpu': 4.0}


def test_operations_of_published_networks():
    # 118 billion for 550 px, counted by hand from the layer table; here its 136 px version:
    # every map shrinks by the square of the side, up to rounding at the edges
    from yolact_ros.config import yolact_resnet50
    small = count_flop(seeded_network(replace(yolact_resnet50(), input_size=136)))

    assert small == pytest.approx(118e9 * (136 / 550) ** 2, rel=0.1)


def test_the_peak_is_that_of_the_fastest_kernel(monkeypatch):
    now = [0.0]

    def kernel(flop, seconds):
        def work():
            now[0] += seconds
            return torch.zeros(1)
        return lambda dtype, device: (work, flop)

    monkeypatch.setattr(measure_module.time, 'perf_counter', lambda: now[0])
    monkeypatch.setattr(measure_module, 'PEAK_KERNELS', (kernel(8, 4), kernel(6, 2), kernel(5, 5)))
    assert measured_peak(torch.float32, CPU) == 3


@pytest.mark.parametrize(('make', 'products'), [
    (measure_module._matrix_product, 2048), (measure_module._convolution, 256 * 3 * 3)])
def test_every_kernel_of_the_peak_knows_its_operations(make, products):
    work, flop = make(torch.float32, CPU)
    assert flop == 2 * work().numel() * products  # each value of the result is a sum of products


def test_peak_memory_sees_a_temporary():
    before = peak_memory_mb(lambda: None, CPU)
    if before is None:
        pytest.skip('this system does not tell the peak memory')

    def touch():
        np.frombuffer(mmap.mmap(-1, 100_000_000), np.uint8)[:] = 1

    assert peak_memory_mb(touch, CPU) > before + 80


def count_pixels(path, rgb):
    """Return how many pixels of an image are nearly of that colour."""
    image = cv2.imread(str(path))[..., ::-1].astype(int)
    return np.count_nonzero(np.abs(image - rgb).max(-1) < 12)


def test_the_command_writes_json_and_a_plot(tmp_path, capsys):
    save_model(tmp_path / 'small.safetensors', seeded_network(SMALL))

    code = main(['benchmark', str(tmp_path / 'small.safetensors'), '--rounds', '2',
                     '--warmup', '0', '--sizes', '64x48', '--instances', '0,3', '--batches', '2',
                     '--device', 'cpu', '-o', str(tmp_path / 'out')])

    report = json.loads((tmp_path / 'out' / 'benchmark.json').read_text())
    assert code == 0
    assert [row['variant'] for row in report['frames']] == [
        'baseline', *(f'torch {precision}' for precision in fast_precisions(CPU))] * 2
    assert all(row['speedup']['wall'] > 0 for row in report['frames'] if 'speedup' in row)
    assert report['peak']['float32'] > 1e9
    assert count_pixels(tmp_path / 'out' / 'frames.png', (47, 93, 138)) > 1000  # network bars
    assert 'x baseline' in capsys.readouterr().out


def test_an_unknown_precision_is_told_all_that_are_known(tmp_path, capsys):
    assert main(['benchmark', 'demo', '--precisions', 'float32,int4', '-o', str(tmp_path)]) == 1
    assert "'int4' is unknown; known: auto, float32, float16, bfloat16, int8" \
        in capsys.readouterr().err


def test_a_variant_has_the_accuracy_that_eval_measures(tmp_path, capsys):
    data = ['--max-images', '2', '--device', 'cpu']
    assert main(['eval', '--data', 'synthetic:easy', '--precision', 'float32', '--no-plots',
                 '--worst', '0', '--out', str(tmp_path / 'eval'), *data]) == 0

    code = main(['benchmark', 'demo', '--accuracy', 'synthetic:easy', '--rounds', '1',
                 '--warmup', '0', '--sizes', '64x48', '--precisions', 'float32',
                 '-o', str(tmp_path / 'out'), *data])

    wanted = json.loads((tmp_path / 'eval' / 'result.json').read_text())['mask']['AP']
    baseline, row = json.loads((tmp_path / 'out' / 'benchmark.json').read_text())['frames']
    assert code == 0 and 'mask_ap' not in baseline
    assert row['mask_ap'] == {'synthetic:easy': pytest.approx(wanted, abs=1e-3)}  # as rounded
    assert f'mask AP {row["mask_ap"]["synthetic:easy"]:.3f}' in capsys.readouterr().out
    # The baseline's upright line
    assert count_pixels(tmp_path / 'out' / 'accuracy.png', (31, 119, 180)) > 300


def test_scaling_has_every_axis(tmp_path, monkeypatch):
    monkeypatch.setattr('yolact_ros.benchmark.scaling.SIZES', ((64, 48), (128, 96)))
    monkeypatch.setattr('yolact_ros.benchmark.scaling.USUAL_SIZE', (64, 48))
    monkeypatch.setattr('yolact_ros.benchmark.scaling.BATCHES', (1, 2))
    monkeypatch.setattr('yolact_ros.benchmark.scaling.CLASSES', (1, 9))
    monkeypatch.setattr('yolact_ros.benchmark.scaling.INSTANCES', (0, 3))

    rows = measure_scaling(seeded_network(SMALL), CPU, 'float32', rounds=1, warmup=0)
    plot_scaling(rows, tmp_path / 'scaling.png')

    assert {row['axis'] for row in rows} == {'picture', 'instances', 'classes', 'batch', 'nms'}
    assert count_pixels(tmp_path / 'scaling.png', (47, 93, 138)) > 200  # wall time, four panels


@pytest.mark.parametrize(('options', 'code'), [
    (['--sizes', '1280'], 2), (['--instances', 'many'], 2), (['--rounds', '0'], 1),
    (['--backends', 'tensorrt'], 1), (['--precisions', 'int4'], 1), (['nothing.pth'], 1),
    (['--busy', '-1'], 1), (['--max-images', '0'], 1), (['--precisions', 'int8'], 1)])
def test_wrong_options_are_refused(tmp_path, known_peak, options, code):
    assert main(['benchmark', '-o', str(tmp_path), *(['yolact_plus_tiny'] if options[0][0]
                                                         == '-' else []), *options]) == code


def test_without_matplotlib_only_the_plots_are_missing(tmp_path, known_peak, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'matplotlib', None)  # importing it fails
    save_model(tmp_path / 'small.safetensors', seeded_network(SMALL))

    code = main(['benchmark', str(tmp_path / 'small.safetensors'), '--rounds', '1',
                     '--warmup', '0', '--sizes', '64x48', '--device', 'cpu', '--no-baseline',
                     '--precisions', 'float32', '-o', str(tmp_path / 'out')])

    assert code == 1
    assert "pip install 'yolact_ros[train]'" in capsys.readouterr().err
    assert json.loads((tmp_path / 'out' / 'benchmark.json').read_text())['frames']


class Clock:
    """Time that passes only in work and sleep."""

    def __init__(self):
        self.now = 0.0

    def read(self):
        return self.now

    def spend(self, seconds):
        self.now += seconds


@pytest.mark.parametrize('work_s, expected', [
    # 10 Hz: 0.0, 0.1, 0.2, 0.3; the last result at 0.35 s
    (0.05, {'rate': 10.0, 'fps': 11.43, 'latency_ms': 50.0, 'latency_p95_ms': 50.0, 'dropped': 0}),
    # 0.25 s each: frame 0 is done at 0.25, frame 2 of 0.2 s at 0.5, frame 3 of 0.3 s at 0.75
    (0.25, {'rate': 10.0, 'fps': 4.0, 'latency_ms': 300.0, 'latency_p95_ms': 435.0,
            'dropped': 1}),
], ids=['fast enough', 'too slow'])
def test_frames_come_at_a_rate_and_the_newest_is_served(work_s, expected):
    clock = Clock()
    found = measure_paced(lambda: clock.spend(work_s), 10.0, 4, clock.read, clock.spend)
    assert found == pytest.approx(expected, abs=0.006)


def test_busy_neighbours_run_only_while_they_are_switched_on():
    with busy_neighbours(1) as switch:
        neighbour = youngest_child()
        wait_for_state(neighbour, 'T')
        switch(True)
        wait_for_state(neighbour, 'R')
        switch(False)
        wait_for_state(neighbour, 'T')
    assert not Path(f'/proc/{neighbour}').exists()


def youngest_child():
    """Return the number of this process's youngest child."""
    return int(Path(f'/proc/self/task/{os.getpid()}/children').read_text().split()[-1])


def wait_for_state(process, state):
    """Wait until the kernel says that a process runs (R) or is stopped (T)."""
    deadline = time.monotonic() + 30
    while Path(f'/proc/{process}/stat').read_text().rpartition(')')[2].split()[0] != state:
        assert time.monotonic() < deadline


def test_each_work_is_measured_as_it_is_and_beside_neighbours():
    calls = []
    works = with_neighbours({'a': lambda: calls.append('work') or {}}, calls.append, 2)
    assert list(works) == ['a', 'a, 2 busy']
    works['a']()
    works['a, 2 busy']()
    assert calls == ['work', True, 'work', False]


def test_busy_neighbours_and_a_rate_are_in_the_report(tmp_path, known_peak, capsys):
    save_model(tmp_path / 'small.safetensors', seeded_network(SMALL))

    code = main(['benchmark', str(tmp_path / 'small.safetensors'), '--rounds', '2',
                 '--warmup', '0', '--sizes', '64x48', '--device', 'cpu', '--no-baseline',
                 '--precisions', 'float32', '--busy', '1', '--rate', '30',
                 '-o', str(tmp_path / 'out')])

    quiet, busy = json.loads((tmp_path / 'out' / 'benchmark.json').read_text())['frames']
    assert code == 0
    assert (quiet['variant'], busy['variant']) == ('torch float32', 'torch float32, 1 busy')
    assert busy['busy_ratio'] > 0 and quiet['paced']['fps'] > 0
    shown = capsys.readouterr().out
    assert 'x the quiet frame' in shown and 'at 30 Hz: ' in shown
