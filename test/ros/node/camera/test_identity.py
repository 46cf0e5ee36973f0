"""Track numbers of the running node: in the array, off on demand, anew where they must be."""

from rclpy.parameter import Parameter

from yolact_ros.srv import Reload


def track_ids(bench, camera, messages, count=1):
    """Return the track_id of the mug in so many more images."""
    return [bench.segment(camera, messages).instances[0].track_id for _ in range(count)]


def test_an_object_has_a_decimal_number_from_its_second_image_on(bench):
    camera, messages = bench.camera(), bench.listen()
    assert track_ids(bench, camera, messages, 3) == ['', '1', '1']


def test_without_tracking_there_are_no_numbers_and_old_ones_do_not_return(bench):
    camera, messages = bench.camera(), bench.listen()
    assert track_ids(bench, camera, messages, 2) == ['', '1']
    bench.node.set_parameters([Parameter('tracking', value=False)])
    assert track_ids(bench, camera, messages, 2) == ['', '']
    bench.node.set_parameters([Parameter('tracking', value=True)])
    assert track_ids(bench, camera, messages, 2) == ['', '2']


def test_another_model_starts_anew_with_one_line(bench, capfd):
    camera, messages = bench.camera(), bench.listen()
    assert track_ids(bench, camera, messages, 2) == ['', '1']
    assert bench.call(Reload, 'yolact/reload', Reload.Request()).success
    assert track_ids(bench, camera, messages, 2) == ['', '2']
    assert capfd.readouterr().err.count('tracks start anew: another model') == 1


def test_stamps_that_stand_still_cost_neither_images_nor_numbers(bench, make_image):
    camera, messages = bench.camera(), bench.listen()
    image = make_image()
    image.header.stamp.sec = 7
    bench.wait(lambda: camera.publish(image) or len(messages) > 30)
    numbers = {mask.track_id for message in messages[1:] for mask in message.instances[:1]}
    figures = bench.node.status.figures
    assert numbers == {'1'} and figures.dropped.get('failed', 0) == 0


def test_stamps_that_jump_back_start_anew_with_one_line(bench, capfd):
    camera, messages = bench.camera(), bench.listen()
    bench._stamp = 500
    assert track_ids(bench, camera, messages, 2) == ['', '1']
    bench._stamp = 100
    assert track_ids(bench, camera, messages, 2) == ['', '2']
    assert capfd.readouterr().err.count('tracks start anew: stamps jumped back by 401') == 1
