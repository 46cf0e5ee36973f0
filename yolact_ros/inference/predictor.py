"""The one door to inference: open a model, give it images, get Instances."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, cast

import numpy as np
import torch

from yolact_ros.config import ModelConfig, PostprocessConfig
from yolact_ros.inference.backends.protocol import Backend
from yolact_ros.inference.captured.cuda_graphs import CudaGraphs, GraphsUnavailable
from yolact_ros.inference.opening import kind_of, open_backend
from yolact_ros.inference.steps.eager import EagerFrames
from yolact_ros.inference.steps.preprocess import check_image
from yolact_ros.inference.steps.stages import StageClock
from yolact_ros.inference.steps.thresholds import Thresholds
from yolact_ros.structures import Instances
from yolact_ros.threads import MOST_THREADS, openmp_threads, usable_cores

if TYPE_CHECKING:
    from yolact_ros.inference.backends.torch_backend import TorchBackend
    from yolact_ros.inference.captured.graph_cache import CapturedFrames

logger = logging.getLogger(__name__)

DEFAULT_POSTPROCESS = PostprocessConfig()


class Predictor:
    """
    A network with everything around it; one thread at a time may call predict.

    On CUDA with Triton a frame is a captured graph (inference.captured); anywhere else it runs
    stage by stage (inference.steps). Both go through the list of stages in steps.stages.

    :ivar stage_ms: milliseconds of the last call by stage: preprocess, network, detect, assemble,
        rescore, pixels; on CUDA also upload, download and unpack. Stages of a GPU that runs them
        one by one are timed on the host, which then waits in pixels.
    """

    def __init__(self, backend: Backend, postprocess: PostprocessConfig) -> None:
        self._backend = backend
        self._frames = _open_frames(backend)
        self.stage_ms: dict[str, float] = {}
        self._told_of_cut = False
        self.postprocess = postprocess
        self._process = os.getpid()

    def __reduce__(self) -> NoReturn:
        """Refuse pickle and copy: packed weights and compiled networks exist in memory only."""
        raise TypeError('a Predictor can be neither pickled nor copied; open one with '
                        'open_predictor() in each process or thread that predicts')

    @property
    def model_config(self) -> ModelConfig:
        """Return the network's configuration."""
        return self._backend.config

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the names that class ids stand for."""
        return self.model_config.class_names

    @property
    def description(self) -> str:
        """Return model, device, precision and backend for people."""
        return f'{self.model_config.name} on {self._backend.description}'

    @property
    def on_gpu(self) -> bool:
        """Return True where images in a batch may take less time than one by one."""
        return self._backend.device.type == 'cuda'

    @property
    def postprocess(self) -> PostprocessConfig:
        """Return how detections are chosen."""
        return self._chosen[0]

    @postprocess.setter
    def postprocess(self, config: PostprocessConfig) -> None:
        """
        Choose detections otherwise from the next image on; any thread may do this.

        :raises ValueError: when it mentions a class that the model lacks; nothing changes then.
        """
        # One assignment, so that an image never sees half a change.
        self._chosen = config, Thresholds.resolve(config, self.class_names)

    def predict(self, rgb: np.ndarray) -> Instances:
        """
        Return the objects in an image.

        :param rgb: (H, W, 3) uint8 RGB; not modified, not kept.
        :raises ValueError: when it is no such image.
        :raises TypeError: when it is no uint8 array.
        """
        return self.predict_batch([rgb])[0]

    @torch.inference_mode()
    def predict_batch(self, images: Sequence[np.ndarray]) -> list[Instances]:
        """
        Return the objects in each of several images, which may differ in size.

        :param images: (H, W, 3) uint8 RGB each; they pass through the network together.
        :raises TypeError, ValueError: when one is no such image, naming which.
        :raises RuntimeError: in a process that was forked after the predictor was opened: torch
            would wait for ever for threads that a fork does not copy.
        """
        if not isinstance(images, (Sequence, np.ndarray)) or isinstance(images, (str, bytes)):
            raise TypeError('predict_batch wants a list of pictures, got '
                            f'{type(images).__name__}')
        if isinstance(images, np.ndarray) and images.ndim == 3:
            raise ValueError(f'predict_batch wants a list of pictures, got one of '
                             f'{images.shape}; give it to predict()')
        if os.getpid() != self._process:
            raise RuntimeError('this Predictor was opened before the process was forked, and its '
                               'threads are not here; open one after the fork, or start processes '
                               'by spawn')
        if len(images) == 0:
            return []
        config, thresholds = self._chosen
        images = [check_image(rgb, f'picture {index} of {len(images)}')
                  for index, rgb in enumerate(images, 1)]
        # All but the network is small: threads would wait for each other longer than they work,
        # and spin away the cores of neighbours and of the network's runtime meanwhile.
        with openmp_threads(1):
            return self._predict(images, thresholds, config)

    def _predict(self, images: Sequence[np.ndarray], thresholds: Thresholds,
                 config: PostprocessConfig) -> list[Instances]:
        """Return the objects in images that have been checked."""
        clock = StageClock()
        try:
            results = self._frames.predict(images, thresholds, config, clock)
        except GraphsUnavailable as error:
            logger.warning('frames run kernel by kernel, several times slower: they cannot be '
                           'captured as a CUDA graph here (%s)', error)
            self._frames = EagerFrames(self._backend)
            results = self._frames.predict(images, thresholds, config, clock)
        self.stage_ms = clock.stage_ms
        self._tell_of_cut(results, config)
        return results

    def _tell_of_cut(self, results: Sequence[Instances], config: PostprocessConfig) -> None:
        """Say once that max_instances may have left objects out."""
        # Below the candidate threshold the list is meant to be filled with doubtful ones.
        wanted = config.score_threshold >= config.candidate_threshold
        if wanted and not self._told_of_cut and any(
                len(found) >= config.max_instances for found in results):
            self._told_of_cut = True
            logger.warning('max_instances %d is reached: worse detections are left out; raise it '
                           'where a picture holds more objects', config.max_instances)


def _open_frames(backend: Backend) -> EagerFrames | CapturedFrames:
    """Return captured frames where the backend's device has them."""
    if backend.device.type != 'cuda':
        return EagerFrames(backend)
    try:
        # Here, because they are Triton's kernels and a CPU needs no Triton.
        from yolact_ros.inference.captured.graph_cache import CapturedFrames
    except ImportError as error:
        logger.warning('frames run kernel by kernel, several times slower: Triton is missing (%s);'
                       ' install it with: pip install triton', error)
        return EagerFrames(backend)
    # Only torch's own networks run on CUDA.
    return CapturedFrames(cast('TorchBackend', backend), CudaGraphs(backend.device))


def open_predictor(weights: str | Path, config: ModelConfig | str | None = None,
                   device: str = 'auto', backend: str = 'auto', precision: str = 'auto',
                   postprocess: PostprocessConfig = DEFAULT_POSTPROCESS,
                   class_names: Sequence[str] = (), threads: int = 0) -> Predictor:
    """
    Return a predictor that is ready for images; what was chosen is told in one INFO line.

    :param weights: path of a checkpoint, a published name, 'demo' for the packaged model, or a
        file that yolact export wrote (.onnx, .xml).
    :param config: ModelConfig or preset name where the file does not tell.
    :param device: 'auto' takes CUDA where there is one; 'cpu', 'cuda', 'cuda:1' are taken at
        their word.
    :param backend: 'torch', 'openvino' (CPU), or 'auto': what an exported file needs, torch for a
        checkpoint; the packaged demo model runs in int8 on a CPU with OpenVINO. OpenVINO
        converts a checkpoint at every start; a file that yolact export wrote starts at once.
    :param precision: 'auto' is float16 on CUDA, on a CPU bfloat16 where it multiplies in it, else
        float32, int8 for a file of yolact quantize and for demo; or one of float32, float16,
        bfloat16.
    :param class_names: of a checkpoint that does not tell them, in the order of class ids.
    :param threads: processor threads of the network; 0 takes torch's number, less where the
        container is granted less.
    :raises ValueError: for unknown options or a file that does not fit.
    :raises FileNotFoundError: when the weights are missing.
    :raises RuntimeError: when the device is.
    :raises ImportError: when the backend's package is, naming the pip line.
    """
    threads = choose_threads(threads)
    with openmp_threads(threads):
        opened = open_backend(weights, config, device, backend, precision, class_names)
    predictor = Predictor(opened, postprocess)
    chosen = [name for name, value in (('device', device), ('backend', backend),
                                       ('precision', precision)) if value == 'auto']
    logger.info('%s, %d classes: %s%s', predictor.description, len(predictor.class_names),
                kind_of(weights), f'; chosen by itself: {", ".join(chosen)}' if chosen else '')
    return predictor


def choose_threads(asked: int) -> int:
    """
    Return how many processor threads a network gets.

    :param asked: 0 takes torch's number (OMP_NUM_THREADS, else the physical cores), less where
        the process may not keep so many cores busy.
    :raises ValueError: when it is no such number.
    """
    if not 0 <= asked <= MOST_THREADS:
        raise ValueError(f'threads must be 0 to {MOST_THREADS}, got {asked}')
    return asked or min(torch.get_num_threads(), usable_cores())
