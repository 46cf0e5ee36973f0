"""`yolact download` and `yolact models`, against a server on this machine."""

import functools
import hashlib
import http.server
import threading

import pytest
import torch

from yolact_ros.checkpoint import load_model
from yolact_ros.commands import download, models
from yolact_ros.commands.main import main
from yolact_ros.config import yolact_plus_tiny
from yolact_ros.model.yolact import Yolact
from yolact_ros.weights.published import PUBLISHED, PublishedWeights, cache_dir, cache_path

TINY = PublishedWeights('tiny', 'dbolya/tiny', 'tiny_54_800000.pth', 'yolact_plus_tiny', 1000,
                        12.3)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Keep downloads in the test's folder."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    cache_dir().mkdir(parents=True)
    return cache_dir()


@pytest.fixture(scope='module')
def state():
    """Return the weights that the server has."""
    model = Yolact(yolact_plus_tiny())
    model.initialize(torch.Generator().manual_seed(0))
    return model.state_dict()


@pytest.fixture
def server(tmp_path):
    """Serve a folder with the layout of Hugging Face; .file is where the weights belong."""
    file = tmp_path / 'www' / TINY.repository / 'resolve' / 'main' / TINY.file_name
    file.parent.mkdir(parents=True)
    handler = functools.partial(QuietHandler, directory=str(tmp_path / 'www'))
    running = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    running.digest = None
    running.file, running.url = file, f'http://127.0.0.1:{running.server_port}'
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files without writing a line for each; names the server's digest, if it has one."""

    def end_headers(self):
        if self.server.digest:
            self.send_header('X-Linked-Etag', f'"{self.server.digest}"')
        super().end_headers()

    def log_message(self, *_):
        pass


def test_downloaded_weights_are_complete_and_can_be_used(server, state, cache):
    torch.save(state, server.file)
    download.download(TINY, cache / TINY.file_name, server.url)
    model, _ = load_model(cache / TINY.file_name, 'yolact_plus_tiny')
    torch.testing.assert_close(model.state_dict()['proto_net.0.weight'],
                               state['proto_net.0.weight'])
    assert list((cache / 'partial').iterdir()) == []


def test_weights_with_the_digest_that_the_hub_names_are_taken(server, state, cache, caplog):
    caplog.set_level('INFO')
    torch.save(state, server.file)
    server.digest = hashlib.sha256(server.file.read_bytes()).hexdigest()
    download.download(TINY, cache / TINY.file_name, server.url)
    assert (cache / TINY.file_name).read_bytes() == server.file.read_bytes()
    assert 'SHA-256' not in caplog.text


def test_weights_with_another_digest_are_removed(server, state, cache):
    torch.save(state, server.file)
    got = hashlib.sha256(server.file.read_bytes()).hexdigest()
    server.digest = 'ab' * 32
    with pytest.raises(ValueError, match=f'got SHA-256 {got}, wanted {server.digest}; .* again'):
        download.download(TINY, cache / TINY.file_name, server.url)
    assert [path.name for path in cache.rglob('*')] == ['partial']


def test_a_mirror_without_digests_is_told(server, state, cache, caplog):
    caplog.set_level('INFO')
    torch.save(state, server.file)
    download.download(TINY, cache / TINY.file_name, server.url)
    assert caplog.text.count('names no SHA-256 of the file: only its size and loading') == 1


@pytest.mark.parametrize(('content', 'message'), [
    (b'<html>sign in</html>', 'is not tiny: got 20 bytes, wanted at least 4000'),
    (b'<html>' * 1000, 'is not tiny: '), (b'\0' * 5000, 'is not tiny: ')],
    ids=['too small', 'web page', 'zeros'])
def test_a_file_that_is_no_model_is_removed(server, cache, content, message):
    server.file.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        download.download(TINY, cache / TINY.file_name, server.url)
    assert [path.name for path in cache.rglob('*')] == ['partial']


def test_weights_of_another_network_are_refused(server, state, cache):
    torch.save({key: value for key, value in state.items() if 'fpn' not in key}, server.file)
    with pytest.raises(ValueError, match='is not tiny: '):
        download.download(TINY, cache / TINY.file_name, server.url)


def test_a_server_without_the_file_is_answered_with_the_way_by_hand(server, cache):
    with pytest.raises(OSError, match='answered 404 .*with a browser and put it at .*tiny_54'):
        download.download(TINY, cache / TINY.file_name, server.url)


def test_a_backbone_is_loaded_into_its_network(server, state, cache):
    backbone = PublishedWeights('bone', 'dbolya/tiny', TINY.file_name, 'yolact_plus_tiny', 1000)
    torch.save({key.removeprefix('backbone.'): value for key, value in state.items()
                if key.startswith('backbone.')}, server.file)
    download.download(backbone, cache / TINY.file_name, server.url)
    assert (cache / TINY.file_name).exists()


def test_the_command_fails_in_one_paragraph_where_the_file_is_missing(server, capsys):
    assert main(['download', 'yolact_base', '--url', server.url]) == 1
    errors = capsys.readouterr().err
    assert errors.count('\n') == 1
    assert '/dbolya/yolact-base/resolve/main/yolact_base_54_800000.pth answered 404' in errors


def test_the_command_fetches_and_says_where(server, state, monkeypatch, caplog):
    caplog.set_level('INFO')
    torch.save(state, server.file)
    monkeypatch.setattr(download, 'find_published', lambda name: TINY)
    assert main(['download', 'yolact_base', '--url', server.url]) == 0
    assert cache_path('yolact_base').exists()
    assert f'yolact_base: {cache_path("yolact_base")}, ' in caplog.text


def test_weights_that_are_there_are_not_fetched_again(caplog):
    caplog.set_level('INFO')
    cache_path('yolact_base').write_bytes(b'here')
    assert main(['download', 'yolact_base', '--url', 'http://127.0.0.1:9']) == 0
    assert 'is already there' in caplog.text
    assert cache_path('yolact_base').read_bytes() == b'here'


def test_force_fetches_them_again(capsys):
    cache_path('yolact_base').write_bytes(b'here')
    assert main(['download', 'yolact_base', '--force', '--url', 'http://127.0.0.1:9']) == 1
    assert 'cannot be reached' in capsys.readouterr().err
    assert cache_path('yolact_base').read_bytes() == b'here'


def test_an_unknown_name_is_a_usage_error_with_the_known_ones(capsys):
    assert main(['download', 'yolact_huge']) == 2
    errors = capsys.readouterr().err
    assert 'yolact_huge' in errors
    assert 'yolact_plus_resnet50' in errors


def test_a_cache_that_cannot_be_written_to_is_named(monkeypatch, capsys):
    monkeypatch.setenv('XDG_CACHE_HOME', '/proc/none')
    assert main(['download', 'yolact_base']) == 1
    assert "the cache '/proc/none/yolact_ros' cannot be written to" in capsys.readouterr().err


def test_models_lists_every_name_with_its_figure_and_whether_it_is_here(capsys):
    cache_path('yolact_im700').write_bytes(b'here')
    assert main(['models']) == 0
    rows = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()
            if line.strip()}
    assert {'demo', *(weights.name for weights in PUBLISHED)} <= set(rows)
    assert rows['yolact_im700'][1:5] == ['31.2', '201', 'MB', 'yes']
    assert rows['yolact_plus_base'][1:5] == ['34.6', '210', 'MB', 'no']
    assert rows['resnet50_imagenet'][1:5] == ['-', '94', 'MB', 'no']


def test_columns_of_a_table_are_aligned():
    assert models.table([('a', 'bb'), ('ccc', 'd')]) == ['a    bb', 'ccc  d']
