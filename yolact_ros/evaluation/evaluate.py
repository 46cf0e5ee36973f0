"""How good is a model: run it over labelled images and score what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from yolact_ros.data.classes import EVERYTHING, ClassChoice
from yolact_ros.data.datasets import PREFIX, open_dataset
from yolact_ros.data.image_files import ImageFinder, read_sized_image
from yolact_ros.data.sample import SampleSource
from yolact_ros.evaluation.ap import COCO_LIMIT, ApSummary, coco_ap, counted_detections
from yolact_ros.evaluation.detections import Detection, detections_of
from yolact_ros.evaluation.ground_truth import (
    GroundTruth,
    ImageId,
    read_truth,
    sample_objects,
)
from yolact_ros.evaluation.yolact_ap import yolact_ap
from yolact_ros.structures import Instances

Progress = Callable[[Iterable], Iterable]


class ImageModel(Protocol):
    """Whatever finds objects in images: a Predictor, or a stand-in."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the names, in the order of class ids."""

    def predict(self, rgb: np.ndarray) -> Instances:
        """Return the objects in an (H, W, 3) uint8 RGB image."""


@dataclass(frozen=True, eq=False)
class EvalResult:
    """
    The scores of a set of detections.

    :param box: COCO's numbers for boxes, ranked by class scores; None without boxes.
    :param mask: COCO's numbers for masks, ranked by re-scored scores; None without masks.
    :param original: the original evaluator's numbers, when asked for.
    :param truth: what the detections were compared with.
    """

    box: ApSummary | None
    mask: ApSummary | None
    truth: GroundTruth
    detections: tuple[Detection, ...]
    original: dict[str, dict[str, float]] | None = None

    @property
    def box_ap(self) -> float:
        """COCO box AP in [0, 1], -1 when nothing could be scored."""
        return self.box.values['AP'] if self.box else -1.0

    @property
    def mask_ap(self) -> float:
        """COCO mask AP in [0, 1], -1 when nothing could be scored."""
        return self.mask.values['AP'] if self.mask else -1.0

    def to_json(self) -> dict[str, Any]:
        """Return everything but the detections, ready for json.dump; -1 = no such object."""
        counted = [item for item in self.truth.objects if not item.crowd]
        content: dict[str, Any] = {
            'images': len(self.truth.sizes), 'instances': len(counted),
            'crowds': len(self.truth.objects) - len(counted),
            'detections': len(self.detections)}
        for name, summary in (('box', self.box), ('mask', self.mask)):
            if summary:
                content[name] = dict(summary.values)
                content[f'{name}_per_class'] = {
                    row.name: {'instances': row.instances, 'AP': row.ap, 'AP50': row.ap50,
                               'AP75': row.ap75, 'AR100': row.ar100} for row in summary.per_class}
        if self.original:
            content['original_ap'] = self.original
        if self.truth.notes:
            content['notes'] = list(self.truth.notes)
        return content


def evaluate_detections(truth: GroundTruth, detections: Sequence[Detection],
                        with_original: bool = False) -> EvalResult:
    """
    Score detections against the truth.

    :param with_original: compute the original evaluator's AP as well.
    :raises ValueError: when the truth holds no object to find.
    """
    if all(item.crowd for item in truth.objects):
        raise ValueError(f'none of the {len(truth.sizes)} pictures has an object to find, so that '
                         'there is no AP; choose pictures with annotations')
    if (counted := counted_detections(truth)) > COCO_LIMIT:
        truth = replace(truth, notes=(*truth.notes, (
            f'pictures hold up to {counted} objects of a class: AP counts so many finds of a '
            f'class in each instead of COCO\'s {COCO_LIMIT}, and AR100 is AR{counted}')))
    boxed = not detections or any(item.bbox is not None for item in detections)
    masked = not detections or any(item.rle is not None for item in detections)
    return EvalResult(coco_ap(truth, detections, 'bbox') if boxed else None,
                      coco_ap(truth, detections, 'segm') if masked else None,
                      truth, tuple(detections),
                      yolact_ap(truth, detections) if with_original and boxed and masked
                      else None)


def evaluate_data(predictor: ImageModel, data: str, max_images: int | None = None) -> EvalResult:
    """
    Run a model over what a user names and score it.

    :param data: a COCO annotation file, synthetic:easy, synthetic:hard or synthetic:mixed; these
        images have the size that the eval command gives them, whatever the network's input is.
    :raises FileNotFoundError, ValueError: as evaluate_predictor and evaluate_source.
    """
    if data.startswith(PREFIX):
        return evaluate_source(predictor, open_dataset(data), max_images)
    return evaluate_predictor(predictor, data, max_images=max_images)


def evaluate_predictor(predictor: ImageModel, coco_json: str | Path,
                       images_dir: str | Path | None = None, max_images: int | None = None,
                       with_original: bool = False, progress: Progress = iter,
                       choice: ClassChoice = EVERYTHING, upright: bool = True) -> EvalResult:
    """
    Run a model over a COCO data set and score it.

    Give the predictor a score threshold of 0: AP wants the unlikely detections as well.

    :param images_dir: folder of the images; None looks for one near the file.
    :param max_images: use at most so many images, a fixed pseudo-random choice.
    :param progress: wraps the loop over the images, for example tqdm.
    :param choice: of classes; others are ignored.
    :param upright: False for labels that were made without the EXIF orientation.
    :raises FileNotFoundError: when the file or an image is missing.
    :raises ValueError: when the file is broken or its classes are not the model's.
    """
    truth = read_truth(coco_json, images_dir, choice).limited(max_images)
    class_of = match_classes(predictor.class_names, truth)
    images = image_paths(truth, coco_json, images_dir)
    detections: list[Detection] = []
    for image_id in progress(list(truth.sizes)):
        rgb = read_sized_image(images[image_id], truth.sizes[image_id], upright)
        detections += detections_of(predictor.predict(rgb), image_id, class_of)
    return evaluate_detections(truth, detections, with_original)


def evaluate_source(predictor: ImageModel, source: SampleSource, max_images: int | None = None,
                    with_original: bool = False, progress: Progress = iter) -> EvalResult:
    """
    Run a model over labelled images that need not be files, synthetic scenes for example.

    :param max_images: use at most so many images, evenly spread.
    :raises ValueError: when the source has a class that the model does not know.
    """
    names = tuple(source.class_names)
    class_of = _match(predictor.class_names, names, names)
    count = min(len(source), max_images or len(source))
    indices = np.linspace(0, len(source) - 1, count).round().astype(int).tolist()
    sizes, unlabelled, objects, detections = {}, {}, [], []
    for index in progress(indices):
        sample = source.sample(index, np.random.default_rng((7, index)))
        found = predictor.predict(sample.image)
        sizes[index + 1] = found.image_size
        unlabelled[index + 1] = sample.unlabelled
        objects += sample_objects(sample, index + 1)
        detections += detections_of(found, index + 1, class_of)
    truth = GroundTruth(names, sizes, tuple(objects), tuple(range(1, len(names) + 1)),
                        unlabelled=unlabelled)
    return evaluate_detections(truth, detections, with_original)


def match_classes(model_names: Sequence[str], truth: GroundTruth) -> list[int | None]:
    """
    Return for each class of the model the truth's class id, None where the truth has none.

    :raises ValueError: when the truth has objects of a class that the model does not know.
    """
    used = {truth.class_names[item.class_id] for item in truth.objects}
    return _match(model_names, truth.class_names, sorted(used))


def _match(model_names: Sequence[str], names: Sequence[str],
           used: Sequence[str]) -> list[int | None]:
    """Return the place of each class of the model among names; it has to know the used ones."""
    if set(used) - set(model_names):
        raise ValueError(_class_mismatch(model_names, used))
    return [names.index(name) if name in names else None for name in model_names]


def image_paths(truth: GroundTruth, coco_json: str | Path,
                  images_dir: str | Path | None) -> dict[ImageId, Path]:
    """
    Return image id -> file, for all images of the truth.

    :param images_dir: None looks for a folder near the annotation file.
    :raises FileNotFoundError: naming the first image that is missing, and how many are.
    """
    names = [truth.file_names[image_id] for image_id in truth.sizes]
    finder = ImageFinder(Path(coco_json), names[0], images_dir)
    paths = {image_id: finder.path(name) for image_id, name in zip(truth.sizes, names)}
    missing = [path for path in paths.values() if not path.is_file()]
    if missing:
        raise FileNotFoundError(f'{len(missing)} of {len(paths)} pictures of {coco_json} not '
                                f'found, first {missing[0]}; give their folder with --images')
    return paths


def _class_mismatch(model_names: Sequence[str], data_names: Sequence[str]) -> str:
    """Return what is wrong when a model does not know the classes of the data."""
    missing = [name for name in data_names if name not in model_names]
    what = f'the model does not know {", ".join(missing[:10])}' if missing else \
        'the classes or their order differ'
    return (f'{what}: the data has {len(data_names)} classes ({", ".join(data_names[:10])}), '
            f'the model {len(model_names)} ({", ".join(model_names[:10])}); choose the checkpoint '
            'that belongs to the data, or rename the categories')
