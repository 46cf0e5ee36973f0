"""The viewer over real DDS and real HTTP."""

import asyncio
import json
import re
import socket
import time

import aiohttp
import cv2
import numpy as np
import pytest
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage

PATIENCE = 20.0  # [s], for a busy machine


def use(viewer, scene):
    """Return what a coroutine returns that gets a client of the viewer."""
    async def play():
        async with aiohttp.ClientSession(viewer.url) as client:
            return await asyncio.wait_for(scene(client), 2 * PATIENCE)
    return asyncio.run(play())


async def jpegs(stream):
    """Yield every image of a stream as it comes."""
    reader = aiohttp.MultipartReader.from_response(stream)
    while (part := await reader.next()) is not None:
        yield bytes(await part.read())


async def images(stream):
    """Yield every image of a stream as (H, W, 3), as it comes."""
    async for jpeg in jpegs(stream):
        yield cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


async def reports(reporter, **wanted):
    """Return the first report of every kind that meets its condition."""
    met, deadline = {}, time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        things = json.loads(await reporter.receive_str(timeout=PATIENCE))
        met = {**{kind: thing for kind, thing in things.items()
                  if kind in wanted and wanted[kind](thing)}, **met}
        if len(met) == len(wanted):
            return met
    raise AssertionError(f'only {met} came')


async def report(reporter, kind, wanted=lambda thing: True):
    """Return the next report of a kind that meets a condition."""
    return (await reports(reporter, **{kind: wanted}))[kind]


async def until(condition):
    """Wait for something that happens on another thread."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, 'waited in vain'
        await asyncio.sleep(0.02)


async def change(client, name, value, **headers):
    async with client.post('/parameter', json={'name': name, 'value': value},
                           headers=headers) as answer:
        return answer.status, await answer.text()


def test_the_page_needs_nothing_from_elsewhere_and_may_run_no_other_script(viewer):
    async def scene(client):
        async with client.get('/') as answer:
            return await answer.text(), answer.headers
    html, headers = use(viewer, scene)
    assert headers['Content-Type'].startswith('text/html')
    assert "default-src 'none'" in headers['Content-Security-Policy']
    assert 'src="http' not in html and 'href="http' not in html and '@import' not in html
    assert 'eval(' not in html and 'innerHTML' not in html


@pytest.mark.parametrize('path', ['/page.html', '/../viewer.py', '/etc/passwd', '/overlay.mjpeg/'])
def test_no_file_is_served(viewer, path):
    async def scene(client):
        async with client.get(path) as answer:
            return answer.status, await answer.text()
    assert use(viewer, scene) == (404, '404: Not Found')


def test_everybody_sees_the_images_that_the_node_draws(viewer, camera_runs):
    async def scene(client):
        async def look():
            seen = []
            async with client.get('/overlay.mjpeg') as stream:
                async for image in images(stream):
                    seen.append(image)
                    if len(seen) == 3:
                        return seen
        return await asyncio.gather(*(look() for _ in range(3)))
    for seen in use(viewer, scene):
        assert {image.shape for image in seen} == {(48, 64, 3)}
        assert seen[0][40, 50].mean() < seen[2][40, 50].mean()  # the camera brightens


def test_a_single_image_is_shown_at_once(viewer, bench, make_image):
    overlay = bench.peer.create_publisher(CompressedImage, '/yolact/overlay/compressed', 1)
    jpeg = cv2.imencode('.jpg', np.zeros((8, 8, 3), np.uint8))[1].tobytes()

    async def scene(client):
        async with client.get('/overlay.mjpeg') as stream:
            await until(lambda: overlay.get_subscription_count() == 1)
            overlay.publish(CompressedImage(format='jpeg', data=b'not a picture'))
            overlay.publish(CompressedImage(format='jpeg', data=jpeg))
            received = b''
            # What ends the image comes with it, and not with the next one only.
            while not re.search(re.escape(jpeg) + b'\r\n--.+\r\n.+\r\n\r\n', received):
                received += await asyncio.wait_for(stream.content.readany(), PATIENCE)
            return received
    assert use(viewer, scene).count(b'\xff\xd8') == 1


def test_the_node_works_only_while_somebody_looks(viewer, bench, camera_runs):
    async def scene(client):
        states = [bench.node.status.listeners]
        async with (client.get('/overlay.mjpeg') as stream,
                    client.ws_connect('/reports') as reporter):
            async for _ in images(stream):
                break
            await report(reporter, 'objects')
            states.append(bench.node.status.listeners)
        await until(lambda: not bench.node.status.listeners)
        return states
    assert use(viewer, scene) == [False, True]


def test_a_slow_viewer_holds_nobody_up_and_misses_what_is_old(viewer, bench, make_image):
    camera = bench.camera()

    async def scene(client):
        late, writer = await look_lazily(viewer.node.port)
        async with client.get('/overlay.mjpeg') as stream:
            await until(lambda: camera.get_subscription_count() == 1)
            quick = jpegs(stream)
            for number in range(1, 31):
                camera.publish(noisy_image(make_image, number))
                newest = await asyncio.wait_for(quick.__anext__(), PATIENCE)
        received = b''
        while newest not in received:
            received += await asyncio.wait_for(late.read(2 ** 20), PATIENCE)
        writer.close()
        return received.count(b'image/jpeg')
    assert use(viewer, scene) < 15  # half of them, and what had been on its way


async def look_lazily(port):
    """Ask for the images with hardly any room for them, and do not read."""
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)
    small.connect(('127.0.0.1', port))
    reader, writer = await asyncio.open_connection(sock=small)
    writer.write(f'GET /overlay.mjpeg HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n'.encode())
    return reader, writer


def noisy_image(make_image, number):
    """Return an image that takes so much room that 30 fit into no buffer."""
    image = make_image(480, 640)
    del image.data[:]
    image.data.frombytes(
        np.random.default_rng(number).integers(0, 256, 480 * 640 * 3, np.uint8).tobytes())
    image.header.stamp.sec = number
    return image


def test_the_reports_tell_of_objects_health_and_parameters(viewer, camera_runs):
    async def scene(client):
        async with client.ws_connect('/reports') as reporter:
            return await reports(
                reporter, page=len, parameters=len, objects=lambda rows: rows[0]['track'],
                health=lambda health: health['text'].startswith('images arrive'))
    seen = use(viewer, scene)
    page, parameters, rows, health = (seen[kind] for kind in (
        'page', 'parameters', 'objects', 'health'))
    assert (page['node'], page['camera']) == ('/yolact', '')
    assert {control['name'] for control in page['controls']} == set(parameters)
    assert 'weights' not in parameters and parameters['score_threshold'] == 0.3
    assert [(row['class'], row['score']) for row in rows] == [('mug', 0.9), ('bowl', 0.4)]
    assert health['level'] == 0 and float(health['output']['rate [Hz]']) > 0


def test_a_change_reaches_the_node_and_every_page(viewer, bench):
    async def scene(client):
        async with client.ws_connect('/reports') as reporter:
            await report(reporter, 'parameters')  # then the node is there
            answer = await change(client, 'score_threshold', 0.55)
            await report(reporter, 'parameters', lambda now: now['score_threshold'] == 0.55)
            return answer
    assert use(viewer, scene) == (200, '{"refusal": ""}')
    assert bench.node.get_parameter('score_threshold').value == 0.55


def test_what_others_change_is_seen_too(viewer, bench):
    request = SetParameters.Request(parameters=[
        Parameter('classes', value=['mug']).to_parameter_msg()])

    async def scene(client):
        async with client.ws_connect('/reports') as reporter:
            await report(reporter, 'parameters')
            client = bench.peer.create_client(SetParameters, '/yolact/set_parameters')
            await until(client.service_is_ready)
            client.call_async(request)
            return await report(reporter, 'parameters', lambda now: now['classes'])
    assert use(viewer, scene)['classes'] == ['mug']


@pytest.mark.parametrize('name, value, reason', [
    ('score_threshold', 1.5, 'score_threshold out of range'),
    ('score_threshold', float('nan'), 'score_threshold cannot be nan'),
    ('score_threshold', None, 'score_threshold cannot be None'),
    ('score_threshold', {'a': 1}, 'score_threshold cannot be'),
    ('max_instances', 2 ** 70, 'max_instances cannot be'),
    ('classes', ['unicorn'], "class 'unicorn' is not one of the model's 2 classes"),
    ('classes', ['mug', 3], 'classes cannot be'),
    ('nms', 'slow', 'nms must be one of fast'),
    ('weights', 'a.pth', "'weights' is no parameter that can be set while the node runs"),
    ('use_sim_time', True, "'use_sim_time' is no parameter")],
    ids=lambda each: str(each)[:20])
def test_a_refusal_is_told_with_its_reason(viewer, bench, name, value, reason):
    async def scene(client):
        while 'no node' in (answer := await change(client, name, value))[1]:
            await asyncio.sleep(0.05)
        return answer
    before = bench.node.status.parameters
    status, answer = use(viewer, scene)
    assert status == 200
    assert re.search(reason, json.loads(answer)['refusal'])
    assert bench.node.status.parameters == before


def test_without_a_node_the_answer_says_so(open_viewer):
    async def scene(client):
        return await change(client, 'score_threshold', 0.5)
    status, answer = use(open_viewer('--node', 'other'), scene)
    assert 'no node /other answers' in json.loads(answer)['refusal']


@pytest.mark.parametrize('body, kind', [
    ('{"name": "score_threshold", "value": 0.5}', 'text/plain'), ('[]', 'application/json'),
    ('{"name": "score_threshold"}', 'application/json'), ('{', 'application/json')])
def test_what_is_no_change_is_a_bad_request(viewer, bench, body, kind):
    async def scene(client):
        async with client.post('/parameter', data=body, headers={'Content-Type': kind}) as answer:
            return answer.status
    assert use(viewer, scene) == 400
    assert bench.node.get_parameter('score_threshold').value == 0.3


def test_a_large_request_is_refused(viewer):
    async def scene(client):
        return await change(client, 'classes', ['x' * 20_000])
    assert use(viewer, scene)[0] == 413


def test_foreign_pages_can_change_and_read_nothing(viewer, bench):
    foreign = {'Origin': 'http://evil.example'}

    async def scene(client):
        codes = [(await change(client, 'score_threshold', 0.9, **foreign))[0]]
        for path, headers in (('/reports', foreign), ('/overlay.mjpeg', foreign),
                              ('/', {'Host': 'evil.example'})):
            async with client.get(path, headers=headers) as answer:
                codes.append(answer.status)
        return codes
    assert use(viewer, scene) == [403, 403, 403, 403]
    assert bench.node.get_parameter('score_threshold').value == 0.3


def test_one_of_several_cameras_is_shown(open_viewer, new_bench, make_image, stream):
    async def scene(client):
        async with client.ws_connect('/reports') as reporter:
            seen = await reports(reporter, page=len, parameters=len, objects=len,
                                 health=lambda health: 'arrive' in health['text'])
        async with client.get('/overlay.mjpeg') as stream:
            async for image in images(stream):
                return seen, image.shape

    with new_bench(cameras=['front', 'left']) as bench:
        assert bench.start()
        viewer = open_viewer('--camera', 'front', at=bench)
        with stream(bench, make_image, 'front/image'):
            seen, shape = use(viewer, scene)
        viewer.close()
    assert (seen['page']['node'], seen['page']['camera']) == ('/yolact', 'front')
    assert seen['health']['input']['topic'] == '/front/image'
    assert seen['objects'][0]['class'] == 'mug' and shape == (48, 64, 3)
