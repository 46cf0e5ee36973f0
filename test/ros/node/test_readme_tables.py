"""The reference tables tell what the running node really offers."""

from yolact_ros.ros.node.parameters import PARAMETERS
from yolact_ros.ros.node.readme_tables import (
    diagnostics_table,
    markdown,
    parameter_table,
    service_table,
    topic_table,
)

ROS_TOPICS = {'/yolact/transition_event'}


def column(table, index):
    return [line.split(' | ')[index].strip('| `') for line in table.splitlines()[2:]]


def offered(bench):
    # By name, not by node: of an ended one with the same name the services are missing.
    return {name: kinds for name, kinds in bench.node.get_service_names_and_types()
            if name.startswith('/yolact/') and '/srv/' in kinds[0]
            and kinds[0].split('/')[0] in ('yolact_ros', 'std_srvs')}


def published(bench):
    # By topic, not by node: a process that a test killed is remembered as a node for 20 s.
    return {name: kinds for name, kinds in bench.node.get_topic_names_and_types()
            if name.startswith(('/yolact/', '/diagnostics')) and name not in ROS_TOPICS
            and bench.node.count_publishers(name)}


def test_table_without_rows_is_its_head():
    assert markdown(('A', 'B'), []) == '| A | B |\n| --- | --- |'


def test_every_parameter_is_in_the_table():
    assert column(parameter_table(), 0) == list(PARAMETERS)


def test_topics_of_the_table_are_those_of_the_running_node(new_bench):
    with new_bench(use_depth=True) as bench:
        assert bench.start()
        compare_topics(bench)


def compare_topics(bench):
    table = dict(zip(column(topic_table(), 0), column(topic_table(), 1)))
    told = {topic.replace('~', '/yolact'): [kind.replace('/', '/msg/')]
            for topic, kind in table.items()
            if topic.startswith(('~', '/')) and not kind.startswith('vision_msgs')}
    bench.wait(lambda: len(published(bench)) >= len(told), 'the publishers')
    assert published(bench) == told


def test_services_of_the_table_are_those_of_the_running_node(bench):
    table = dict(zip(column(service_table(), 0), column(service_table(), 1)))
    told = {name.replace('~', '/yolact'): [kind.replace('/', '/srv/')]
            for name, kind in table.items()}
    bench.wait(lambda: len(offered(bench)) >= len(told), 'the services')
    assert offered(bench) == told


def test_without_depth_its_topics_are_not_advertised(bench):
    assert '/yolact/points' not in published(bench)


def test_diagnostics_have_a_line_for_every_value():
    assert {'topic', 'rate [Hz]', 'latency p95 [ms]', 'model'} <= set(column(diagnostics_table(),
                                                                             1))
