"""The loaded model: opened so that its first image is not the slow one, replaced behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.task import Future

from yolact_ros.config import MODEL_PRESETS
from yolact_ros.files import sha256_of
from yolact_ros.ros.node.batching import useful_batch
from yolact_ros.ros.node.parameters import Parameters
from yolact_ros.ros.node.processing import Predictor

OpenPredictor = Callable[..., Predictor]
DEMO_WEIGHTS = 'demo'
WARM_UP_SHAPE = (480, 640, 3)


@dataclass(frozen=True)
class ModelSource:
    """
    Which model.

    :param weights: path or known name; '' for the packaged demo model.
    :param config: preset name; '' to find it out from the weights.
    """

    weights: str
    config: str


@dataclass(frozen=True, eq=False)
class Loaded:
    """
    A model that is ready.

    :param origin: name and short hash of the file it came from, '' for a known name.
    :param batch: how many images it takes best at once.
    """

    predictor: Predictor
    origin: str
    batch: int

    @property
    def description(self) -> str:
        """Return network, device, number format, backend and file."""
        return ', '.join(filter(None, (self.predictor.description, self.origin)))


class ModelSlot:
    """
    Holds the predictor; it changes in one assignment, so that an image sees the old or the new.

    Only the executor's thread calls its methods; what takes seconds is done on a thread beside
    it. Any thread may read `loaded`, which is None while there is nothing to serve with.
    """

    def __init__(self, open_predictor: OpenPredictor, source: ModelSource,
                 parameters: Callable[[], Parameters], cameras: int = 1) -> None:
        """
        Start empty.

        :param source: what to load first.
        :param parameters: returns the current snapshot.
        :param cameras: how many images may wait at a time.
        """
        self._cameras = cameras
        self._open, self.source, self._parameters = open_predictor, source, parameters
        self.loaded: Loaded | None = None
        self._last: object = None  # the newest order; what an older one loads is let go
        self._loading: threading.Thread | None = None

    @property
    def predictor(self) -> Predictor | None:
        """Return what finds the objects, None while there is nothing to serve with."""
        loaded = self.loaded
        return None if loaded is None else loaded.predictor

    @property
    def description(self) -> str:
        """Return model and weights for people, '' while there is nothing to serve with."""
        loaded = self.loaded
        return '' if loaded is None else loaded.description

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return what the model knows, nothing while there is none."""
        predictor = self.predictor
        return () if predictor is None else predictor.class_names

    def fill(self) -> None:
        """
        Load the model while the caller waits.

        :raises Exception: whatever open_predictor raises for a file or device it cannot use.
        """
        self.loaded = self._load(self.source, self._parameters())

    def empty(self) -> None:
        """Let go of the model."""
        self.loaded, self._last = None, None

    @property
    def is_loading(self) -> bool:
        """Return True while a thread loads a model."""
        return self._loading is not None and self._loading.is_alive()

    async def reload(self, wake: Callable[[], None]) -> None:
        """
        Let go of the model and load it anew in the background; a newer order calls it off.

        :param wake: wakes the executor, from another thread.
        :raises Exception: whatever open_predictor raises now.
        """
        self.loaded = None  # first: a device may not hold two
        order = self._last = object()
        loaded = await self._load_beside(self.source, wake)
        if order is self._last:
            self.loaded = loaded

    async def replace(self, source: ModelSource, wake: Callable[[], None]) -> None:
        """
        Load another model in the background, then swap.

        :param source: with empty weights the current model is loaded again.
        :param wake: wakes the executor, from another thread.
        :raises ValueError: when a config is given without weights that it could be of.
        :raises Exception: why the old model is still in place.
        """
        order = self._last = object()
        source = self._completed(source)
        loaded: Any = await self._load_beside(source, wake)
        if order is not self._last:
            raise RuntimeError('a newer reload or a transition of the node came meanwhile')
        # The parameters may have changed since; what they mention must exist.
        self._parameters().postprocess.check_classes(loaded.predictor.class_names)
        self.loaded, self.source = loaded, source

    def _completed(self, source: ModelSource) -> ModelSource:
        """Return the source, with the current weights where it names none."""
        if source.weights:
            return source
        if source.config and source.config not in MODEL_PRESETS:
            raise ValueError(f'config {source.config!r} is no preset; there are '
                             f'{", ".join(MODEL_PRESETS)}')
        return ModelSource(self.source.weights, source.config or self.source.config)

    def _load_beside(self, source: ModelSource, wake: Callable[[], None]) -> Future:
        """Load on a thread of its own and return the future model."""
        parameters = self._parameters()
        future: Future[Loaded] = Future()

        def run() -> None:
            try:
                future.set_result(self._load(source, parameters))
            except Exception as error:  # handed on to whoever awaits the future
                future.set_exception(error)
            wake()

        self._loading = threading.Thread(target=run, name='model loading', daemon=True)
        self._loading.start()
        return future

    def _load(self, source: ModelSource, parameters: Parameters) -> Loaded:
        """Return a model that has already worked on one (black) image."""
        names = {'class_names': parameters.class_names} if parameters.class_names else {}
        predictor = self._open(
            source.weights or DEMO_WEIGHTS, config=source.config or None,
            device=parameters.device, backend=parameters.backend,
            precision=parameters.precision, postprocess=parameters.postprocess,
            threads=parameters.threads, **names)
        black = np.zeros(WARM_UP_SHAPE, np.uint8)
        predictor.predict(black)
        return Loaded(predictor, _origin_of(source.weights),
                      useful_batch(predictor, black, self._cameras))


def _origin_of(weights: str) -> str:
    """Return name and short SHA-256 of a weights file, '' for anything else."""
    path = Path(weights).expanduser()
    if not path.is_file():
        return ''
    return f'{path.name} {sha256_of(path)[:8]}'
