"""An evaluation as one HTML file that needs nothing beside it: tables, curves, worst images."""

from __future__ import annotations

import base64
import importlib.metadata
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np

from yolact_ros.evaluation.ap import METRICS, ApSummary
from yolact_ros.evaluation.confusion import Confusion, ImageErrors, matches_of
from yolact_ros.evaluation.curves import curves_svg
from yolact_ros.evaluation.evaluate import EvalResult
from yolact_ros.evaluation.ground_truth import ImageId
from yolact_ros.evaluation.marked_images import MARKS, mark, to_jpeg
from yolact_ros.files import replace_file

PACKAGES = ('yolact_ros', 'torch', 'numpy', 'opencv-python-headless', 'pycocotools')
STYLE = """
:root { --ground: #f3f5f7; --card: #fff; --edge: #dde2e8; --ink: #16202b; --faint: #5b6875;
  --shade: 15, 118, 110; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --ground: #0e1318; --card: #171e25;
  --edge: #29323c; --ink: #e6ebf0; --faint: #94a1ae; --shade: 45, 212, 191; } }
body { margin: 0 auto; padding: 1.5rem; max-width: 76rem; background: var(--ground);
  color: var(--ink); font: 15px/1.5 system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.05rem; margin: 0 0 .75rem; }
p { margin: .25rem 0 .75rem; } .faint, figcaption { color: var(--faint); }
section { background: var(--card); border: 1px solid var(--edge); border-radius: 10px;
  padding: 1rem 1.25rem; margin: 1rem 0; overflow-x: auto; }
.tiles { display: flex; flex-wrap: wrap; gap: 1rem; } .tiles section { flex: 1 1 7rem; margin: 0; }
.tiles b { display: block; font-size: 1.6rem; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th { font-weight: 500; color: var(--faint); text-align: right; padding: .2rem .7rem; }
td { text-align: right; padding: .25rem .7rem; border-top: 1px solid var(--edge); }
th:first-child, td:first-child, table.list td { text-align: left; padding-left: 0; }
.confusion td:not(:first-child) { text-align: center; min-width: 2.6rem; }
.curves { display: grid; gap: 1.5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(22rem, 100%), 1fr)); }
svg { width: 100%; height: auto; } svg text { fill: var(--faint); font-size: 12px; }
.worst { display: grid; gap: 1.25rem;
  grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); }
figure { margin: 0; } figure img { width: 100%; border-radius: 8px; display: block; }
.key { display: inline-block; margin-right: 1.2rem; } .key::before { content: ''; width: .8rem;
  height: .8rem; border-radius: 3px; display: inline-block; margin-right: .4rem;
  background: var(--tone); }
"""


def write_html_report(path: Path, result: EvalResult, matrix: Confusion,
                      read: Callable[[ImageId], np.ndarray] | None, count: int,
                      settings: Mapping[str, object]) -> None:
    """
    Write the report.

    :param read: returns the (H, W, 3) uint8 RGB image of an image id; None leaves images out.
    :param count: how many of the worst images are shown.
    :param settings: what the figures were made with, by name.
    """
    parts = [_head(result), _curves(result), _classes(result),
             _confusion(matrix, result.truth.class_names)]
    if read is not None and count:
        parts.append(_worst(result, matrix, read, count))
    parts.append(_settings(settings, result.truth.notes))
    title = escape(f'Evaluation of {settings.get("model", "a model")}')
    # Names of classes and files are other people's text: no script can run whatever they hold.
    html = ('<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
            'style-src \'unsafe-inline\'; img-src data:">'
            f'<title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>'
            + '\n'.join(parts) + '</body></html>\n')
    replace_file(path, html.encode())


def _head(result: EvalResult) -> str:
    """Return the figures that one looks for first, then all of COCO's."""
    content, kinds = result.to_json(), _kinds(result)
    tiles = [(f'{name} {metric}', _score(summary.values[metric]))
             for name, summary in reversed(kinds) for metric in ('AP', 'AP50', 'AP75')]
    rows = [(name, *(_score(summary.values[key]) for key in METRICS)) for name, summary in kinds]
    return (f'<p class="faint">{content["images"]} images, {content["instances"]} objects, '
            f'{content["crowds"]} crowd regions, {content["detections"]} detections</p>'
            '<div class="tiles">' + ''.join(
                f'<section><span class="faint">{escape(name)}</span><b>{value}</b></section>'
                for name, value in tiles) + '</div>'
            + _section('COCO', _table(('', *METRICS), rows)))


def _curves(result: EvalResult) -> str:
    """Return precision over recall, the mean over classes, for masks and boxes."""
    return _section('Precision over recall, mean over classes', '<div class="curves">' + ''.join(
        f'<figure>{curves_svg(summary)}<figcaption>{name}</figcaption></figure>'
        for name, summary in reversed(_kinds(result))) + '</div>')


def _classes(result: EvalResult) -> str:
    """Return a row for every class that the truth has objects of, the worst first."""
    kinds = _kinds(result)
    rows = [row for row in zip(*(summary.per_class for _, summary in kinds)) if row[0].instances]
    rows.sort(key=lambda row: row[-1].ap)
    head = ['class', 'objects'] + [f'{name} {metric}' for name, _ in kinds
                                   for metric in ('AP', 'AP50', 'AP75', 'AR')]
    return _section('Classes, the weakest first', _table(head, [
        (row[0].name, row[0].instances, *(_score(value) for each in row for value in (
            each.ap, each.ap50, each.ap75, each.ar100))) for row in rows]))


def _confusion(matrix: Confusion, class_names: Sequence[str]) -> str:
    """Return what was taken for what; the shade is the share of a row."""
    counts = matrix.matrix
    used = [index for index in range(len(counts))
            if index == len(class_names) or counts[index].any() or counts[:, index].any()]
    found, true = [*class_names, 'missed'], [*class_names, 'false alarm']
    lines = ['<tr><th>true \\ found</th>' + ''.join(
        f'<th>{escape(found[index])}</th>' for index in used) + '</tr>']
    for row in used:
        total = max(counts[row].sum(), 1)
        lines.append(f'<tr><td>{escape(true[row])}</td>' + ''.join(
            f'<td style="background: rgba(var(--shade), {0.6 * counts[row, column] / total:.3f})">'
            f'{counts[row, column] or ""}</td>' for column in used) + '</tr>')
    return _section(f'Confusion at score {matrix.score_threshold:g}, IoU '
                    f'{matrix.iou_threshold:g}',
                    f'<table class="confusion">{"".join(lines)}</table>')


def _worst(result: EvalResult, matrix: Confusion, read: Callable[[ImageId], np.ndarray],
           count: int) -> str:
    """Return the images with the lowest F1, with what went wrong marked in them."""
    keys = ''.join(f'<span class="key" style="--tone: rgb{color}">{what}</span>'
                   for what, color in MARKS.items())
    figures = ''.join(_figure(errors, result, matrix, read) for errors in matrix.worst(count))
    return _section('Worst images', f'<p>{keys}</p><div class="worst">'
                    f'{figures or "No image has an error."}</div>')


def _figure(errors: ImageErrors, result: EvalResult, matrix: Confusion,
            read: Callable[[ImageId], np.ndarray]) -> str:
    """Return one of the worst images with its counts."""
    matches = matches_of(errors.image_id, result.truth, result.detections, matrix)
    jpeg = to_jpeg(mark(read(errors.image_id), matches, result.truth.class_names))
    name = result.truth.file_names.get(errors.image_id, f'image {errors.image_id}')
    caption = (f'{name}: {errors.right} right, {errors.missed} missed, {errors.false_alarms} '
               f'false alarms, {errors.wrong_class} of another class')
    return ('<figure><img alt="" src="data:image/jpeg;base64,'
            f'{base64.b64encode(jpeg).decode()}"><figcaption>{escape(caption)}</figcaption>'
            '</figure>')


def _settings(settings: Mapping[str, object], notes: Iterable[str]) -> str:
    """Return how the figures were made."""
    rows = [*settings.items(), *_versions(), *(('note', note) for note in notes)]
    return _section('Settings and versions', _table((), rows, 'list'))


def _versions() -> list[tuple[str, str]]:
    """Return the versions of what takes part, as far as they are known."""
    found = [('Python', platform.python_version()), ('machine', platform.machine())]
    for package in PACKAGES:
        try:
            found.append((package, importlib.metadata.version(package)))
        except importlib.metadata.PackageNotFoundError:
            continue  # a checkout, or built from source under another name
    return found


def _kinds(result: EvalResult) -> list[tuple[str, ApSummary]]:
    """Return the scores that there are."""
    return [(name, summary) for name, summary in (('box', result.box), ('mask', result.mask))
            if summary]


def _section(title: str, content: str) -> str:
    """Return a headed part of the page."""
    return f'<section><h2>{escape(title)}</h2>{content}</section>'


def _table(head: Sequence[str], rows: Iterable[Sequence[object]], kind: str = '') -> str:
    """Return a table of texts."""
    lines = [''.join(f'<td>{escape(str(cell))}</td>' for cell in row) for row in rows]
    if head:
        lines.insert(0, ''.join(f'<th>{escape(name)}</th>' for name in head))
    return f'<table class="{kind}">' + ''.join(f'<tr>{line}</tr>' for line in lines) + '</table>'


def _score(value: float) -> str:
    """Return a score, '-' for what could not be measured."""
    return '-' if value < 0 else f'{value:.3f}'
