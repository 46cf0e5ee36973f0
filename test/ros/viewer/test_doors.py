"""Foreign web pages get nothing; people and programs do."""

import socket

import pytest

from yolact_ros.ros.viewer.doors import own_names, refusal

LOCAL = own_names('127.0.0.1')
OPEN = own_names('0.0.0.0')
MACHINE = socket.gethostname().lower()


@pytest.mark.parametrize('host', ['localhost:8080', '127.0.0.1:8080', '[::1]:8080', 'LOCALHOST',
                                  '192.168.1.7:8080'])
def test_this_machine_and_numbers_are_let_in(host):
    assert refusal('/', {'Host': host}, LOCAL) == ''


@pytest.mark.parametrize('host', ['evil.example:8080', 'localhost.evil.example', '', '127.0.0.1.a',
                                  'localhost:8080@evil.example', '[::1', f'x{MACHINE}'])
def test_other_names_are_not_even_when_they_point_here(host):
    assert 'is no name of this server' in refusal('/', {'Host': host}, LOCAL)


def test_the_name_of_the_machine_counts_only_where_the_network_is_let_in():
    assert refusal('/', {'Host': f'{MACHINE}.local:8080'}, OPEN) == ''
    if MACHINE != 'localhost':
        assert refusal('/', {'Host': f'{MACHINE}:8080'}, LOCAL) != ''


@pytest.mark.parametrize('origin', ['http://evil.example', 'null', 'http://localhost:9090',
                                    'http://localhost', ''])
def test_foreign_pages_are_not_answered(origin):
    headers = {'Host': 'localhost:8080', 'Origin': origin}
    assert 'not answered' in refusal('/parameter', headers, LOCAL)


def test_the_own_page_is_answered():
    headers = {'Host': 'localhost:8080', 'Origin': 'http://localhost:8080',
               'Sec-Fetch-Site': 'same-origin'}
    assert refusal('/parameter', headers, LOCAL) == ''


@pytest.mark.parametrize('site', ['cross-site', 'same-site'])
def test_foreign_pages_may_link_to_the_page_but_not_show_the_images(site):
    headers = {'Host': 'localhost:8080', 'Sec-Fetch-Site': site}
    assert refusal('/', headers, LOCAL) == ''
    assert 'foreign pages' in refusal('/overlay.mjpeg', headers, LOCAL)
