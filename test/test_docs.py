"""Every page of the documentation is linked, and every link leads somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]
LINK = re.compile(r'\]\(([^)\s]+)\)')


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as the usual renderers name them."""
    headings = re.findall(r'^#+ (.+)$', page.read_text(encoding='utf-8'), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', heading).strip().lower().replace(' ', '-')
            for heading in headings}


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading_that_exist(page):
    broken = []
    for link in LINK.findall(page.read_text(encoding='utf-8')):
        name, _, anchor = link.partition('#')
        target = page.parent / name if name else page
        if re.match(r'https?:', link):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_index_links_every_page():
    links = LINK.findall((ROOT / 'docs' / 'README.md').read_text(encoding='utf-8'))
    wanted = {page.name for page in (ROOT / 'docs').glob('*.md')} - {'README.md'}
    assert wanted <= set(links)


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_every_code_fence_is_closed(page):
    fences = re.findall(r'^```', page.read_text(encoding='utf-8'), re.MULTILINE)
    assert len(fences) % 2 == 0


def test_the_api_page_names_things_that_exist():
    text = (ROOT / 'docs' / 'api.md').read_text(encoding='utf-8')
    doors = re.findall(r'^\| `(yolact_ros[\w.]+)\.(\w+)', text, re.MULTILINE)
    assert len(doors) > 20
    missing = [f'{module}.{name}' for module, name in doors if not defines(module, name)]
    assert missing == []


def defines(module: str, name: str) -> bool:
    """Return True when a module's source defines or imports a name; nothing is imported."""
    path = ROOT / module.replace('.', '/')
    file = path / '__init__.py' if path.is_dir() else path.with_suffix('.py')
    return bool(file.is_file() and re.search(
        rf'^(def|class) {name}\b|^{name}\b.* = |^from \S+ import .*\b{name}\b',
        file.read_text(encoding='utf-8'), re.MULTILINE))
