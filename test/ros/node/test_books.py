"""Every image that came is processed, dropped by a named cause or waiting, in every status."""

import threading

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool

from yolact_ros.srv import Reload


def balance(states):
    """Return received, what became of it, and what waits, of a published status."""
    source, result = ({each.key: each.value for each in state.values} for state in states)
    settled = sum(int(value) for key, value in result.items()
                  if key.startswith('dropped ') or key == 'processed')
    return int(source['received']), settled, int(result['waiting'])


def transit(bench, *steps):
    for step in steps:
        request = ChangeState.Request(transition=Transition(id=step))
        assert bench.call(ChangeState, 'yolact/change_state', request).success


def disturb_with_toggling(bench, _):
    client = bench.peer.create_client(SetBool, 'yolact/enable')
    assert client.wait_for_service(20)
    for turn in range(50):
        answer = client.call_async(SetBool.Request(data=turn % 2 == 1))
        threading.Event().wait(0.02)  # 50 Hz
    bench.wait(answer.done)


def disturb_with_reload(bench, _):
    for weights in ('new.pth', 'missing.pth'):
        bench.call(Reload, 'yolact/reload', Reload.Request(weights=weights))


def disturb_with_transitions(bench, _):
    for _ in range(3):
        transit(bench, Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE)
    transit(bench, Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP,
            Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE)


def disturb_with_bad_images(bench, camera_images):
    camera, make_image = camera_images
    for encoding in ('nonsense', 'rgb8', '') * 10:
        camera.publish(make_image(encoding=encoding))


@pytest.mark.parametrize('disturb', [disturb_with_toggling, disturb_with_reload,
                                     disturb_with_transitions, disturb_with_bad_images],
                         ids=lambda disturb: disturb.__name__.removeprefix('disturb_with_'))
def test_books_add_up_in_every_status_under_load(new_bench, make_image, disturb):
    with new_bench() as bench:
        assert bench.start()
        states = bench.listen('/diagnostics', DiagnosticArray)
        bench.node.create_timer(0.02, next(each for each in bench.node.timers
                                           if each.timer_period_ns == 10 ** 9).callback)
        bench.segment(bench.camera(), bench.listen())
        camera, stop = bench.camera(depth=1), threading.Event()

        def load():
            while not stop.wait(0.001):
                camera.publish(make_image())

        thread = threading.Thread(target=load)
        thread.start()
        try:
            disturb(bench, (camera, make_image))
            received = bench.node.status.figures.received
            bench.wait(lambda: bench.node.status.figures.received > received + 50)
        finally:
            stop.set()
            thread.join()
        bench.wait(lambda: balance(states[-1].status)[2] == 0, 'an end of the load')
    books = [balance(array.status) for array in states]
    assert len(books) > 10
    assert [book for book in books if book[0] != book[1] + book[2]] == []
    assert all(0 <= waiting <= 3 for _, _, waiting in books)


def test_books_of_every_camera_add_up_while_one_floods_and_one_sends_rubbish(new_bench,
                                                                            make_image):
    names = ['front', 'left', 'rear']
    with new_bench(cameras=names) as bench:
        assert bench.start()
        states = bench.listen('/diagnostics', DiagnosticArray)
        bench.node.create_timer(0.02, next(each for each in bench.node.timers
                                           if each.timer_period_ns == 10 ** 9).callback)
        cameras = {name: bench.camera(f'{name}/image', depth=1) for name in names}
        results = {name: bench.listen(f'yolact/{name}/instances') for name in names}
        good, bad = make_image(), make_image(encoding='nonsense')

        def load():
            for camera, image in ((cameras['front'], good), (cameras['front'], good),
                                   (cameras['left'], bad), (cameras['rear'], good)):
                camera.publish(image)
            return len(states) > 50 and len(results['front']) > 20 and len(results['rear']) > 20

        bench.wait(load)
    books = {name: [balance([next(state for state in array.status
                                  if state.name == f'yolact: {name} {side}')
                             for side in ('input', 'output')]) for array in states]
             for name in names}
    assert all(received == settled + waiting
               for each in books.values() for received, settled, waiting in each)
    assert results['left'] == [] and books['left'][-1][0] > 0


def test_image_of_a_disabled_node_is_unwanted(bench, make_image):
    camera, messages = bench.camera(), bench.listen()
    bench.segment(camera, messages)
    predictor = bench.models.predictor
    predictor.entered.clear()
    predictor.gate.clear()
    camera.publish(make_image(value=1))
    bench.wait(predictor.entered.is_set)
    camera.publish(make_image(value=2))
    received = bench.node.status.figures.received
    bench.wait(lambda: bench.node.status.figures.waiting == 2, f'two images beyond {received}')
    bench.node.set_parameters([Parameter('enabled', value=False)])
    bench.wait(lambda: bench.node.status.figures.dropped.get('unwanted') == 1)
    predictor.gate.set()
    bench.wait(lambda: bench.node.status.figures.waiting == 0)
    assert dict(bench.node.status.figures.dropped)['unwanted'] >= 1
