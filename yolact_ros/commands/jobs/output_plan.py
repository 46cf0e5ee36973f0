"""Where the results of `yolact segment` go, settled and checked before the model is loaded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from yolact_ros.files import (
    can_write_image,
    check_image_suffix,
    make_folder,
)
from yolact_ros.media.images import Images, Video
from yolact_ros.media.video import check_video_suffix


@dataclass(frozen=True)
class OutputPlan:
    """
    What is written; None is not.

    :param overlay: file, or folder where the source is a folder.
    :param json: COCO result file.
    :param crops: folder of PNGs, one for every object.
    """

    overlay: Path | None = None
    json: Path | None = None
    crops: Path | None = None

    @property
    def places(self) -> list[Path]:
        """Return what is written, for the closing line."""
        return [place for place in (self.overlay, self.json, self.crops) if place is not None]


def plan_output(wanted: OutputPlan, source: Images | Video) -> OutputPlan:
    """
    Return the plan with every name settled, and make the folders.

    When nothing is wanted, the overlay goes to the current folder under the source's name.

    :raises ValueError: when an output does not fit the source or would replace it.
    :raises OSError: when a folder cannot be written to.
    """
    if not wanted.places:
        wanted = replace(wanted, overlay=_default_overlay(source))
    if wanted.json is not None and wanted.json.is_dir():
        raise ValueError(f'--json {str(wanted.json)!r} is a folder; wanted the name of a file')
    if wanted.crops is not None and wanted.crops.is_file():
        raise ValueError(f'--crops {str(wanted.crops)!r} is a file; wanted a folder')
    if wanted.overlay is not None:
        wanted = replace(wanted, overlay=_overlay_place(wanted.overlay, source))
    for place, folder in ((wanted.overlay, _is_folder(source)), (wanted.json, False),
                          (wanted.crops, True)):
        if place is not None:
            make_folder(place if folder else place.parent)
    return wanted


def writable_name(name: str) -> str:
    """Return the name of an overlay: .png is added where OpenCV only reads that format."""
    return name if can_write_image(Path(name)) else f'{name}.png'


def _is_folder(source: Images | Video) -> bool:
    """Return whether the source is a folder of images."""
    return isinstance(source, Images) and source.folder is not None


def _default_overlay(source: Images | Video) -> Path:
    """Return the overlay's name in the current folder."""
    if isinstance(source, Video):
        return Path(f'{source.name}_yolact.mp4')
    if source.folder is not None:
        return Path(f'{source.folder.resolve().name}_yolact')
    image = source.paths[0]
    return Path(writable_name(f'{image.stem}_yolact{image.suffix}'))


def _overlay_place(overlay: Path, source: Images | Video) -> Path:
    """Return the overlay's file, or folder where the source is one."""
    if isinstance(source, Images):
        if source.folder is not None:
            return _overlay_folder(overlay, source.folder)
        original, name, check = source.paths[0], source.paths[0].name, check_image_suffix
        name = writable_name(name)
    else:
        original, name, check = Path(str(source.address)), f'{source.name}.mp4', check_video_suffix
    place = overlay / name if overlay.is_dir() else overlay
    check(place)
    if place.exists() and original.exists() and place.samefile(original):
        raise ValueError(f'-o {str(place)!r} is the source itself; choose another name')
    return place


def _overlay_folder(overlay: Path, source: Path) -> Path:
    """Return the folder for the overlays of a folder."""
    if overlay.is_file() or (can_write_image(overlay) and not overlay.is_dir()):
        raise ValueError(f'{str(source)!r} is a folder of pictures, so -o must be a folder too, '
                         f'got {str(overlay)!r}')
    if overlay.resolve() == source.resolve():
        raise ValueError(f'-o {str(overlay)!r} is the source; the overlays would replace its '
                         'pictures, choose another folder')
    return overlay
