"""`yolact segment` from the command line, with a network that finds one known thing."""

import json

import cv2
import numpy as np
import pytest
from pycocotools import mask as mask_api

from yolact_ros.commands.jobs.output_plan import OutputPlan
from yolact_ros.commands.jobs.segment_job import SegmentJob
from yolact_ros.commands.main import main
from yolact_ros.config import COCO_CLASSES
from yolact_ros.inference import predictor as predictor_module
from yolact_ros.media.images import Video, read_image
from yolact_ros.media.video import VideoReader, VideoWriter
from yolact_ros.overlay import OverlayStyle
from yolact_ros.structures import ImageSize, Instances


class CentreFinder:
    """Finds one object, the middle third of every image, if that has a pixel."""

    description = 'fake on cpu'

    def __init__(self, class_names=('mug', 'bowl')):
        self.class_names = tuple(class_names)
        self.opened_with = None

    def predict(self, rgb):
        assert rgb.dtype == np.uint8
        height, width = rgb.shape[:2]
        x0, y0, x1, y1 = width // 3, height // 3, 2 * width // 3, 2 * height // 3
        if x1 <= x0 or y1 <= y0:
            return Instances.empty(ImageSize(height, width))
        one = np.array([0.75], np.float32)
        roi = np.array([[x0, y0, x1, y1]], np.int32)
        return Instances(ImageSize(height, width), roi.astype(np.float32), one, one * np.nan, one,
                         np.array([1]), roi, (np.ones((y1 - y0, x1 - x0), bool),))


@pytest.fixture
def finder(monkeypatch) -> CentreFinder:
    """Put the fake in the place of the network."""
    fake = CentreFinder()

    def open_predictor(*args, threads):
        fake.opened_with = *args, threads
        return fake

    monkeypatch.setattr(predictor_module, 'open_predictor', open_predictor)
    return fake


@pytest.fixture
def photo(tmp_path):
    """Return the path of a grey 60x90 px PNG in a folder of its own."""
    path = tmp_path / 'in' / 'photo.png'
    path.parent.mkdir()
    cv2.imwrite(str(path), np.full((60, 90, 3), 128, np.uint8))
    return path


@pytest.fixture
def clip(tmp_path):
    """Return the path of a video of 12 frames, 12.5 per second."""
    path = tmp_path / 'in' / 'clip.mp4'
    path.parent.mkdir(exist_ok=True)
    with VideoWriter(path, 12.5) as writer:
        for value in range(12):
            writer.write(np.full((60, 90, 3), 10 * value, np.uint8))
    return path


def segment(*arguments) -> int:
    """Run the command."""
    return main(['segment', *map(str, arguments)])


def names(folder) -> list[str]:
    """Return the names in a folder, sorted."""
    return sorted(path.name for path in folder.iterdir())


def test_a_image_in_gives_an_overlay_out(finder, photo, tmp_path):
    assert segment(photo, '-o', tmp_path / 'out.png') == 0
    before, after = read_image(photo), read_image(tmp_path / 'out.png')
    assert (after[30, 45] != before[30, 45]).any()
    np.testing.assert_array_equal(after[-5:], before[-5:])


def test_an_overlay_goes_into_an_existing_folder_under_the_images_name(finder, photo, tmp_path):
    assert segment(photo, '-o', tmp_path) == 0
    assert (tmp_path / 'photo.png').exists()


@pytest.mark.parametrize(('source', 'expected'), [
    ('in/photo.png', 'photo_yolact.png'), ('in', 'in_yolact'), ('in/clip.mp4', 'clip_yolact.mp4')])
def test_without_output_options_the_overlay_goes_to_the_current_folder(
        finder, photo, clip, tmp_path, monkeypatch, source, expected):
    monkeypatch.chdir(tmp_path)
    assert segment(source) == 0
    assert names(tmp_path) == sorted(['in', expected])


def test_overlay_parts_can_be_left_out(finder, photo, tmp_path):
    options = ('--alpha', 0, '--no-boxes', '--no-labels', '--no-contours')
    assert segment(photo, '-o', tmp_path / 'out.png', *options) == 0
    np.testing.assert_array_equal(read_image(tmp_path / 'out.png'), read_image(photo))


def test_model_and_selection_options_reach_the_predictor(finder, photo, tmp_path):
    assert segment(photo, '-o', tmp_path / 'o.png', '--weights', 'w.pth', '--config',
                   'yolact_im400', '--device', 'cpu', '--precision', 'bfloat16', '--backend',
                   'torch', '--score-threshold', 0.2, '--classes', 'bowl, 0', '--nms',
                   'cross_class', '--max-instances', 7, '--iou-threshold', 0.6, '--threads', 3,
                   '--class-names', 'bowl', 'cup') == 0
    *model, postprocess, class_names, threads = finder.opened_with
    assert class_names == ['bowl', 'cup']
    assert model == ['w.pth', 'yolact_im400', 'cpu', 'torch', 'bfloat16'] and threads == 3
    assert postprocess.score_threshold == 0.2
    assert postprocess.classes == ('bowl', '0')
    assert postprocess.nms == 'cross_class'
    assert postprocess.max_instances == 7
    assert postprocess.iou_threshold == 0.6


def test_json_holds_one_result_for_every_object_and_no_overlay_is_made(finder, photo, tmp_path):
    assert segment(photo, '--json', tmp_path / 'r.json') == 0
    result, = json.loads((tmp_path / 'r.json').read_text())
    assert (result['image_id'], result['category_id'], result['score']) == (1, 2, 0.75)
    assert result['bbox'] == [30, 20, 30, 20]
    assert mask_api.area(result['segmentation']) == 600
    assert names(tmp_path) == ['in', 'r.json']


def test_json_of_a_coco_model_has_cocos_ids(finder, photo, tmp_path):
    finder.class_names = COCO_CLASSES
    coco_photo = photo.rename(photo.with_name('000000000139.png'))
    assert segment(coco_photo, '--json', tmp_path / 'r.json') == 0
    result, = json.loads((tmp_path / 'r.json').read_text())
    assert (result['image_id'], result['category_id']) == (139, 2)


def test_crops_are_cut_out(finder, photo, tmp_path):
    assert segment(photo, '--crops', tmp_path / 'crops') == 0
    assert names(tmp_path / 'crops') == ['photo_001_bowl_0.75.png']


def test_a_folder_goes_on_after_a_bad_image_and_says_so(finder, photo, tmp_path, caplog):
    (photo.parent / 'empty.png').touch()
    (photo.parent / 'page.jpg').write_text('<html></html>')
    (photo.parent / 'zebra.png').write_bytes(photo.read_bytes())
    assert segment(photo.parent, '-o', tmp_path / 'out', '--json', tmp_path / 'r.json') == 1
    assert names(tmp_path / 'out') == ['photo.png', 'zebra.png']
    assert [row['image_id'] for row in json.loads((tmp_path / 'r.json').read_text())] == [3, 4]
    assert "empty.png' is an empty file" in caplog.text
    assert "page.jpg' is a web page" in caplog.text
    assert '2 of 4 pictures were left out' in caplog.text


def test_formats_that_can_only_be_read_get_png_overlays(finder, photo, tmp_path):
    gray = np.zeros((30, 30), np.uint8)
    cv2.imwrite(str(photo.parent / 'depth.pgm'), gray)
    assert segment(photo.parent, '-o', tmp_path / 'out') == 0
    assert names(tmp_path / 'out') == ['depth.pgm.png', 'photo.png']


@pytest.mark.parametrize('image', [
    np.zeros((1, 1, 3), np.uint8), np.zeros((1, 5000, 3), np.uint8), np.zeros((20, 20), np.uint8),
    np.zeros((20, 20, 4), np.uint8), np.zeros((20, 20, 3), np.uint16)],
    ids=['1x1', '1x5000', 'grey', 'rgba', '16 bit'])
def test_unusual_images_give_overlays(finder, tmp_path, image):
    cv2.imwrite(str(tmp_path / 'a.png'), image)
    assert segment(tmp_path / 'a.png', '-o', tmp_path / 'out.png') == 0
    assert read_image(tmp_path / 'out.png').shape == (*image.shape[:2], 3)


def test_a_video_in_gives_a_video_out_of_the_same_rate_and_length(finder, clip, tmp_path):
    assert segment(clip, '-o', tmp_path / 'out.mp4', '--json', tmp_path / 'r.json') == 0
    with VideoReader(Video(str(tmp_path / 'out.mp4'))) as reader:
        assert reader.fps == pytest.approx(12.5)
        assert sum(1 for _ in reader) == 12
    results = json.loads((tmp_path / 'r.json').read_text())
    assert [row['image_id'] for row in results] == list(range(12))


@pytest.mark.parametrize(('options', 'numbers'), [
    ([], [None] * 12), (['--json-tracks'], [0] + [1] * 11)])
def test_track_ids_go_into_the_json_of_a_video_on_demand(finder, clip, tmp_path, options, numbers):
    assert segment(clip, '--json', tmp_path / 'r.json', *options) == 0
    results = json.loads((tmp_path / 'r.json').read_text())
    assert [row.get('track_id') for row in results] == numbers


@pytest.mark.parametrize(('option', 'numbered'), [([], True), (['--no-tracks'], False)])
def test_the_objects_of_a_video_are_numbered_unless_not_wanted(finder, clip, tmp_path,
                                                               monkeypatch, option, numbered):
    drawn = []
    monkeypatch.setattr('yolact_ros.commands.jobs.segment_job.draw_instances',
                        lambda rgb, *rest: drawn.append(rest[-1]) or rgb.copy())
    assert segment(clip, '-o', tmp_path / 'out.mp4', *option) == 0
    assert [marks is not None and marks.ids.tolist() for marks in drawn] == (
        [[0]] + [[1]] * 11 if numbered else [False] * 12)


def test_a_video_can_be_stopped_after_some_frames(finder, clip, tmp_path):
    assert segment(clip, '--crops', tmp_path / 'c', '--max-frames', 2) == 0
    assert names(tmp_path / 'c') == ['clip_000000_001_bowl_0.75.png',
                                     'clip_000001_001_bowl_0.75.png']


def test_a_damaged_video_gives_what_could_be_read_and_exit_code_1(finder, clip, tmp_path, caplog):
    generator = np.random.default_rng(0)
    with VideoWriter(clip, 10) as writer:
        for _ in range(40):
            writer.write(generator.integers(0, 255, (60, 90, 3), np.uint8))
    data = bytearray(clip.read_bytes())
    data[len(data) // 2:len(data) * 3 // 4] = bytes(len(data) * 3 // 4 - len(data) // 2)
    clip.write_bytes(data)
    assert segment(clip, '-o', tmp_path / 'out.mp4') == 1
    assert 'announces 40 frames, but only' in caplog.text
    with VideoReader(Video(str(tmp_path / 'out.mp4'))) as reader:
        assert 0 < sum(1 for _ in reader) < 40


def test_ctrl_c_leaves_nothing_half_written(finder, clip, tmp_path, monkeypatch, capsys):
    def interrupt(rgb):
        raise KeyboardInterrupt

    monkeypatch.setattr(finder, 'predict', interrupt)
    assert segment(clip, '-o', tmp_path / 'out.mp4', '--json', tmp_path / 'r.json') == 130
    assert names(tmp_path) == ['in']
    assert 'interrupted' in capsys.readouterr().err


class FakeCamera(VideoReader):
    """Delivers frames until somebody presses Ctrl-C."""

    def __init__(self, video):
        self.video, self.fps, self.frame_count, self.frames_read = video, 10.0, None, 0

    def __exit__(self, *_):
        pass

    def __iter__(self):
        for _ in range(5):
            self.frames_read += 1
            yield np.zeros((48, 64, 3), np.uint8)
        raise KeyboardInterrupt

    problem = None


def test_ctrl_c_ends_a_cameras_video_and_its_time_runs_true(finder, tmp_path):
    # seconds: the start, then after each frame; the network takes half a second a frame
    clock = iter([0.0, 0.5, 1.0, 1.5, 2.0, 2.5]).__next__
    job = SegmentJob(finder, OverlayStyle(), OutputPlan(tmp_path / 'out.mp4'), clock=clock)
    assert job.run(FakeCamera(Video(0, live=True))) == 0
    with VideoReader(Video(str(tmp_path / 'out.mp4'))) as reader:
        assert sum(1 for _ in reader) == 26, '2.5 s at 10 frames a second, and the first frame'


@pytest.mark.parametrize(('arguments', 'message'), [
    ([], 'the following arguments are required: SOURCE'),
    (['in/photo.png', '-o', 'out.xyz'], "cannot be written as 'out.xyz'; wanted a name that ends"),
    (['in/photo.png', '-o', 'in/photo.png'], 'is the source itself'),
    (['in/photo.png', '-o', 'in'], 'is the source itself'),
    (['in', '-o', 'out.png'], 'is a folder of pictures, so -o must be a folder too'),
    (['in', '-o', 'in'], 'the overlays would replace its pictures'),
    (['in/clip.mp4', '-o', 'out.jpg'], "a video cannot be written as 'out.jpg'"),
    (['in/photo.png', '--json', 'in'], "--json 'in' is a folder"),
    (['in/photo.png', '--crops', 'in/photo.png'], 'is a file; wanted a folder'),
    (['in/photo.png', '--score-threshold', '1.5'], r'score_threshold must be in [0, 1], got 1.5'),
    (['in/photo.png', '--alpha', '-1'], 'alpha must be in [0, 1], got -1'),
    (['in/photo.png', '--json', 'r.json', '--json-tracks'], 'needs a video or camera'),
    (['in/clip.mp4', '--json-tracks'], 'needs a video or camera, --json'),
    (['in/photo.png', '--nms', 'slow'], "invalid choice: 'slow'"),
    (['in/photo.png', '--config', 'yolact_huge'], "invalid choice: 'yolact_huge'"),
    (['in/photo.png', '--classes', ','], 'wanted class names or ids separated by commas'),
    (['in/clip.mp4', '--max-frames', '0'], "wanted a whole number of at least 1, got '0'"),
])
def test_usage_errors_are_explained_with_exit_code_2(finder, photo, clip, tmp_path, monkeypatch,
                                                     capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    before = photo.read_bytes()
    assert segment(*arguments) == 2
    assert message in capsys.readouterr().err
    assert photo.read_bytes() == before
    assert names(tmp_path) == ['in']


@pytest.mark.parametrize(('content', 'message'), [
    (None, 'does not exist; give a picture'), (b'', 'is an empty file'),
    (b'<html>', 'is a web page'), (b'\1\2\3\4', 'cannot be read as a picture')],
    ids=['missing', 'empty', 'web page', 'noise'])
def test_a_bad_image_is_one_paragraph_and_exit_code_1(finder, tmp_path, monkeypatch, capsys,
                                                        content, message):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / 'a.png').write_bytes(content)
    assert segment('a.png', '-o', 'out.png', '--json', 'r.json') == 1
    errors = capsys.readouterr().err
    assert message in errors
    assert 'Traceback' not in errors
    assert errors.strip().splitlines()[-1].startswith('yolact segment: ')
    assert names(tmp_path) == (['a.png'] if content is not None else [])


def test_an_output_folder_that_cannot_be_written_to_is_told_before_the_model_is_loaded(
        finder, photo, capsys):
    assert segment(photo, '-o', '/proc/none/out.png') == 1
    assert "cannot write to folder '/proc/none'" in capsys.readouterr().err
    assert finder.opened_with is None


@pytest.mark.parametrize(('source', 'message'), [
    ('98', 'camera 98 cannot be opened'), ('a.mp4', 'neither a picture nor a video')])
def test_a_bad_video_is_told_before_the_model_is_loaded(finder, tmp_path, monkeypatch, capfd,
                                                        source, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'a.mp4').write_bytes(bytes(100))
    assert segment(source, '-o', 'out.mp4') == 1
    errors = capfd.readouterr().err
    assert message in errors
    assert errors.count('\n') == 1, 'OpenCV itself is silent'
    assert finder.opened_with is None
    assert names(tmp_path) == ['a.mp4']


def test_a_image_too_large_for_its_overlay_format_leaves_nothing(finder, tmp_path, capsys):
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((1, 20000, 3), np.uint8))
    assert segment(tmp_path / 'a.png', '-o', tmp_path / 'a.webp') == 1
    assert 'cannot be written as' in capsys.readouterr().err
    assert names(tmp_path) == ['a.png']


def test_missing_weights_are_one_paragraph(photo, tmp_path, capsys):
    assert segment(photo, '-o', tmp_path / 'o.png', '--weights', tmp_path / 'none.pth') == 1
    assert 'none.pth' in capsys.readouterr().err
    assert names(tmp_path) == ['in']


def test_a_real_network_segments_a_photo(frames, tmp_path):
    import torch

    from yolact_ros.checkpoint import save_model
    from yolact_ros.config import yolact_plus_tiny
    from yolact_ros.model.yolact import Yolact
    model = Yolact(yolact_plus_tiny(class_names=('mug', 'bowl')))
    model.initialize(torch.Generator().manual_seed(0))
    save_model(tmp_path / 'tiny.safetensors', model)
    cv2.imwrite(str(tmp_path / 'photo.jpg'), frames[0][..., ::-1])
    assert segment(tmp_path / 'photo.jpg', '--weights',
                   tmp_path / 'tiny.safetensors', '--score-threshold', 0, '--max-instances', 5,
                   '--device', 'cpu', '-o', tmp_path / 'out.jpg',
                   '--json', tmp_path / 'r.json') == 0
    assert read_image(tmp_path / 'out.jpg').shape == (360, 640, 3)
    results = json.loads((tmp_path / 'r.json').read_text())
    assert len(results) == 5
    assert {tuple(row['segmentation']['size']) for row in results} == {(360, 640)}
