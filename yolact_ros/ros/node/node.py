"""The lifecycle node `yolact`: camera topics in, instance masks and overlays out."""

from __future__ import annotations

import gc
import sys
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from yolact_ros.extras import missing_packages
from yolact_ros.memory import keep_freed_memory, release_freed_memory
from yolact_ros.ros.arguments import check_arguments, warn_of_foreign_files
from yolact_ros.ros.health.watchdog import activation
from yolact_ros.ros.node.camera.camera import Camera
from yolact_ros.ros.node.camera.names import check_names
from yolact_ros.ros.node.camera.status import CameraStatus
from yolact_ros.ros.node.live_parameters import LiveParameters
from yolact_ros.ros.node.model_slot import ModelSlot, ModelSource, OpenPredictor
from yolact_ros.ros.node.on_demand import Order
from yolact_ros.ros.node.parameters import Parameters
from yolact_ros.ros.node.processing import Job, Predictor
from yolact_ros.ros.node.recovery import Recovery
from yolact_ros.ros.node.reporter import Reporter
from yolact_ros.ros.node.segment_service import SegmentService
from yolact_ros.ros.node.services import Services
from yolact_ros.ros.node.worker import Worker
from yolact_ros.ros.reason import reason_of
from yolact_ros.ros.spin import run

USAGE = """usage: segment_node [--ros-args [-r image:=TOPIC] [-p PARAMETER:=VALUE] \\
                    [--params-file FILE] [-r __node:=NAME] [-r __ns:=/NAMESPACE] ...]

YOLACT instance segmentation of a camera topic. Parameters: ros2 param describe, or
config/yolact.yaml."""
FOLLOW_PERIOD_S = 0.5  # how soon a change of publishers is noticed where no event tells
REPORT_PERIOD_S = 1.0
STOP_TIMEOUT_S = 2.0  # a clean stop takes less than 3 s


class YolactNode(LifecycleNode):
    """
    Composes the parts; everything but the worker's images happens on the executor's thread.

    What is worked with (model, parameters, outputs) is read anew for every image, each as one
    object that never changes, so that an image never sees half of an update.

    :ivar cameras: at least one, fixed for the life of the node.
    """

    def __init__(self, open_predictor: OpenPredictor, patience_s: float = 3.0,
                 **options: Any) -> None:
        """
        Declare parameters, services and the inputs; no model is loaded yet.

        :param open_predictor: yolact_ros.inference.predictor.open_predictor or alike.
        :param patience_s: how long an input may be silent before the node explains why [s].
        :param options: passed to rclpy's Node.
        :raises ValueError: when a parameter is refused.
        """
        super().__init__('yolact', **options)
        self.cameras: tuple[Camera, ...] = ()
        self._worker: Worker | None = None
        self._active = False
        self._live = LiveParameters(self, self._check, self.follow)
        self._look_again = self.create_guard_condition(self.follow)
        self._names_refused, names = self._camera_names()
        self.cameras = tuple(Camera(self, name, self._live.current.image_transport,
                                    self._look_again.trigger, self._live.current.use_depth)
                             for name in names)
        self._model = self._empty_slot(open_predictor)
        self._add_recovery()
        Services(self, self._model, self._announce, self._look_again.trigger)
        self._add_segment_services(patience_s)
        self._add_timers(patience_s)

    def _camera_names(self) -> tuple[str, tuple[str, ...]]:
        """Return why the parameter cameras is refused ('' if it is not), and usable names."""
        names = self._live.current.cameras
        try:
            check_names(names, self)
        except ValueError as error:
            return str(error), ('',)
        return '', names or ('',)

    def _empty_slot(self, open_predictor: OpenPredictor) -> ModelSlot:
        """Return the place of the model."""
        start = self._live.current
        return ModelSlot(open_predictor, ModelSource(start.weights, start.config),
                         lambda: self._live.current, len(self.cameras))

    def _add_recovery(self) -> None:
        """Be ready for a device that fails; the cure takes seconds, as a reload does."""
        recovery = Recovery(self, self._model, self._look_again.trigger)

        async def recover() -> None:
            served = sum(camera.metrics.figures().processed for camera in self.cameras)
            await recovery.recover(lambda: self._worker, served)

        self._device_failed = self.create_guard_condition(
            recover, MutuallyExclusiveCallbackGroup())  # type: ignore[arg-type]  # may be async

    def _add_segment_services(self, patience_s: float) -> None:
        """Answer calls for single images, of any camera and of each that has a name."""
        SegmentService(self, '', self.cameras, self, patience_s)
        for camera in self.cameras:
            if camera.name:
                SegmentService(self, camera.name, [camera], self, patience_s)

    def _add_timers(self, patience_s: float) -> None:
        """Look and report now and then, also where /clock does not tick."""
        reporter = Reporter(self, self.cameras, self.status_of, patience_s)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(FOLLOW_PERIOD_S, self.follow, clock=steady)
        self.create_timer(REPORT_PERIOD_S, reporter.report, clock=steady)

    def start(self) -> bool:
        """Configure and activate unless told not to; return False when that failed."""
        if not self._live.current.autostart:
            self.get_logger().info('autostart is false; to start, run: '
                                   + activation(self.get_fully_qualified_name()))
            return True
        success = TransitionCallbackReturn.SUCCESS
        return self.trigger_configure() == success and self.trigger_activate() == success

    def stop(self) -> bool:
        """Stop working; return False when an image or a model still holds its thread."""
        self._active = False
        for camera in self.cameras:
            camera.unsubscribe()
        stopped = self._worker is None or self._worker.stop(STOP_TIMEOUT_S)
        return stopped and not self._model.is_loading

    def destroy_node(self) -> None:
        """Leave the graph; rclpy alone keeps the whole DDS participant until the node is freed."""
        super().destroy_node()
        if hasattr(self, '_state_machine'):  # not where a signal came while rclpy built the node
            self._state_machine.destroy_when_not_in_use()

    # lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model and advertise the outputs."""
        try:
            self._prepare()
            return super().on_configure(state)
        except Exception as error:  # rclpy would swallow it without a word
            self.get_logger().error(f'cannot start: {reason_of(error)}')
            self._release()
            return TransitionCallbackReturn.FAILURE

    def _prepare(self) -> None:
        """Get everything that images need."""
        if self._names_refused:
            raise ValueError(self._names_refused)
        self._model.fill()
        if not self._model.source.weights:
            self.get_logger().warning(
                'weights is empty: this is the demo model, made for synthetic scenes and people, '
                f'which knows {", ".join(self._model.class_names)}; for a real camera run '
                'once: yolact download yolact_resnet50, and start with weights:=yolact_resnet50')
        self._worker = Worker(self._job, self._batch, self._device_failed.trigger,
                              self._look_again.trigger)
        for camera in self.cameras:
            camera.open(self._worker.turns)
        self._worker.start()

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin to serve."""
        if self._model.predictor is None:
            self.get_logger().error('the model is just being loaded again; activate a bit later')
            return TransitionCallbackReturn.FAILURE
        outcome = super().on_activate(state)
        self._active = True
        self._announce()
        self.follow()
        ways = [f'listens to {camera.input.topic}, publishes {camera.opened.topics[0]}'
                for camera in self.cameras]
        self.get_logger().info(f'{self._model.description}: {"; ".join(ways)}')
        return outcome

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop serving, keep the model."""
        self._active = False
        self.follow()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give model and topics back."""
        outcome = super().on_cleanup(state)
        self._release()
        return outcome

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give everything back."""
        outcome = super().on_shutdown(state)
        self._release()
        return outcome

    def _release(self) -> None:
        """Stop the worker, then take away what it works with."""
        self.stop()
        for camera in self.cameras:
            camera.close()
        self._model.empty()
        self._worker = None
        gc.collect()
        release_freed_memory()

    # while it runs

    def follow(self) -> None:
        """Open or close the inputs as listeners, calls, publishers and parameters ask for."""
        parameters = self._live.current
        for camera in self.cameras:
            camera.follow(self._active, parameters.enabled, parameters.image_qos)

    def refusal(self) -> str:
        """Return why no image can be segmented on demand now, '' when it can."""
        if not self._active:
            return f'the node is not active; run: {activation(self.get_fully_qualified_name())}'
        if self._model.predictor is None:
            return 'the model is just being loaded again; call again in a moment'
        return ''

    def ask(self, order: Order) -> bool:
        """Queue an image on demand; return False when nobody works any more."""
        return self._worker is not None and self._worker.turns.ask(order)

    def _job(self) -> Job | None:
        """Return what the worker shall do with an image (worker's thread)."""
        while True:
            loaded, parameters = self._model.loaded, self._live.current
            if loaded is self._model.loaded:
                break  # no reload in between: these parameters were checked for this model
        if not self._active or loaded is None:
            return None
        return Job(loaded.predictor, parameters, loaded.description)

    def _batch(self) -> int:
        """Return how many images are best worked on together (worker's thread)."""
        loaded = self._model.loaded
        return loaded.batch if loaded else 1

    def _check(self, parameters: Parameters) -> None:
        """Refuse class names that the loaded model does not know."""
        if self._model.predictor is not None:
            parameters.postprocess.check_classes(self._model.predictor.class_names)

    def _announce(self) -> None:
        """Publish the latched class names."""
        for camera in self.cameras:
            camera.opened.announce(self._model.class_names,
                                   self._live.current.score_threshold)

    # state

    def status_of(self, camera: Camera) -> CameraStatus:
        """Return how the node and one of its cameras are at this moment."""
        outputs = camera.outputs
        return CameraStatus(
            self._active, self._live.current, self._model.description,
            outputs.topics if outputs else (), camera.has_listeners, camera.input.reliable,
            camera.metrics.figures())

    @property
    def status(self) -> CameraStatus:
        """Return how the node with its (first) camera is at this moment."""
        return self.status_of(self.cameras[0])


def main(args: list[str] | None = None) -> int:
    """Run the node until it is interrupted and return the exit status."""
    args = sys.argv if args is None else args
    status = check_arguments(args, USAGE)
    if status is None and (missing := missing_packages()):
        print(f'yolact: {missing}', file=sys.stderr)
        return 1
    return run(lambda: _build(args), args) if status is None else status


def _build(args: list[str]) -> YolactNode:
    """Return the node that the command line describes."""
    node = YolactNode(_open_predictor)
    warn_of_foreign_files(node, args)
    return node


def _open_predictor(*arguments: Any, **options: Any) -> Predictor:
    """Import the network only when it is needed: a refused parameter is told at once."""
    from yolact_ros.inference.predictor import open_predictor
    predictor = open_predictor(*arguments, **options)
    keep_freed_memory()  # of frames, not of the file that was read
    return predictor
