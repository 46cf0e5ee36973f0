"""Which classes of a data set are learnt, and what they are called: `--classes cup mug=cup`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yolact_ros.data.coco_file import read_categories

# The categories of which an image may show objects without labels, in the words of LVIS
# (Gupta et al. 2019).
UNLABELLED = 'not_exhaustive_category_ids'


@dataclass(frozen=True)
class ClassChoice:
    """
    The classes that are wanted.

    :param names: in the order of class ids; empty takes those of the file by ascending id.
    :param renamed: name in the file -> one of names.
    :param ignores_others: objects of other classes are left alone; else they are an error.
    """

    names: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    ignores_others: bool = False


EVERYTHING = ClassChoice()


def parse_classes(texts: Sequence[str]) -> ClassChoice:
    """
    Return the choice that a user wrote: NAME takes a class, OLD=NEW takes it under another name.

    Several old names may become one class. No text at all is a choice of everything.

    :raises ValueError: for a text without a name.
    """
    renamed: dict[str, str] = {}
    for text in texts:
        old, _, new = str(text).partition('=')
        new = new or old
        if not old or str(text).endswith('='):
            raise ValueError(f'--classes wants NAME or OLD=NEW, got {text!r}')
        renamed[old] = new
    return ClassChoice(tuple(dict.fromkeys(renamed.values())), renamed, bool(texts))


def match_categories(content: Mapping[str, Any], path: Path,
                     choice: ClassChoice) -> tuple[dict[Any, int | None], tuple[str, ...]]:
    """
    Return category id -> class id, None for those to ignore, and the class names.

    :raises ValueError: when there are objects of other classes that are not to be ignored.
    """
    names = {key: choice.renamed.get(name, name)
             for key, name in read_categories(content, path).items()}
    chosen = choice.names or tuple(dict.fromkeys(names.values()))
    if choice.ignores_others and not {*chosen} & {*names.values()}:
        raise ValueError(f'{path} has none of the wanted classes {", ".join(chosen)}; it has '
                         f'{", ".join(dict.fromkeys(names.values()))}')
    used = {str(annotation.get('category_id')) for annotation in content['annotations']}
    others = {key: name for key, name in names.items() if name not in chosen}
    unknown = [name for key, name in others.items() if str(key) in used]
    if unknown and not choice.ignores_others:
        raise ValueError(f'{path} has objects of class {", ".join(unknown)}, which is not among '
                         f'the wanted classes {", ".join(chosen)}; make the lists agree, or name '
                         'the classes to learn with --classes')
    class_of: dict[Any, int | None] = {key: chosen.index(name) for key, name in names.items()
                                       if name in chosen}
    if choice.ignores_others:
        class_of |= dict.fromkeys(others)
    return class_of, chosen


def unlabelled_classes(content: Mapping[str, Any], path: Path,
                       class_of: Mapping[Any, int | None]) -> dict[Any, tuple[int, ...]]:
    """
    Return image id -> the classes of which not every object in it is labelled, if any.

    :param class_of: category id -> class id, None for those to ignore.
    :raises ValueError: when an image does not list ids.
    """
    found = {}
    for entry in content['images']:
        listed = entry.get(UNLABELLED) or []
        if not isinstance(listed, list) or not all(isinstance(key, (int, str)) for key in listed):
            raise ValueError(f'{path}: {UNLABELLED} of image {entry["id"]} must be a list of '
                             f'category ids, got {listed!r}')
        classes = [class_id for key in listed if (class_id := class_of.get(key)) is not None]
        if classes:
            found[entry['id']] = tuple(sorted(set(classes)))
    return found
