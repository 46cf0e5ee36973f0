"""The example caller of the guide for robot teams works as it stands."""

import re
import subprocess
import sys
from pathlib import Path

GUIDE = (Path(__file__).resolve().parents[3] / 'docs' / 'robots.md').read_text()


def test_python_caller_of_the_guide_gets_the_newest_image(bench, make_image):
    program, = re.findall(r'```python\n(.*?)```', GUIDE, re.DOTALL)
    camera, messages = bench.camera(), bench.listen()
    bench.segment(camera, messages)
    caller = subprocess.Popen([sys.executable, '-c', program], text=True, stdout=subprocess.PIPE)
    bench.wait(lambda: camera.publish(make_image()) or caller.poll() is not None, timeout_s=60)
    assert caller.returncode == 0
    assert caller.communicate()[0].splitlines()[:2] == ['2 objects', 'mug 0.9 1.0 1.0 True']


def test_shell_call_of_the_guide_is_a_request():
    import yaml

    from yolact_ros.srv import Segment
    text, = re.findall(r'ros2 service call /yolact/segment yolact_ros/srv/Segment "(.*)"', GUIDE)
    fields = yaml.safe_load(text)
    request = Segment.Request(**fields)
    assert (request.classes, round(request.score_threshold, 2)) == (['mug'], 0.4)
