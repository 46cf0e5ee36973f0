"""The lifecycle node `yolact`: camera topic in, instance masks and overlay out."""

from __future__ import annotations

import time
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool

from yolact_ros.ros.health.metrics import Metrics
from yolact_ros.ros.health.watchdog import activation
from yolact_ros.ros.node.image_input import ImageInput
from yolact_ros.ros.node.live_parameters import LiveParameters
from yolact_ros.ros.node.model_slot import DEMO_WEIGHTS, ModelSlot, ModelSource, OpenPredictor
from yolact_ros.ros.node.parameters import Parameters
from yolact_ros.ros.node.publishers import Publishers
from yolact_ros.ros.node.recovery import CURE, RetryRule
from yolact_ros.ros.node.reporter import Reporter
from yolact_ros.ros.node.status import NodeStatus
from yolact_ros.ros.node.worker import Job, Predictor, Worker
from yolact_ros.ros.spin import GivenUp, run
from yolact_ros.srv import Reload
from yolact_ros.threads import wait_briefly

FOLLOW_PERIOD_S = 0.5  # how soon a change of publishers is noticed where no event tells
REPORT_PERIOD_S = 1.0
STOP_TIMEOUT_S = 2.0  # a clean stop takes less than 3 s


class YolactNode(LifecycleNode):
    """
    Composes the parts; everything but the worker's images happens on the executor's thread.

    What is worked with (model, parameters, outputs) is read anew for every image, each as one
    object that never changes, so that an image never sees half of an update.
    """

    def __init__(self, open_predictor: OpenPredictor, patience_s: float = 3.0,
                 **options: Any) -> None:
        """
        Declare parameters, services and the input; no model is loaded yet.

        :param open_predictor: yolact_ros.inference.predictor.open_predictor or alike.
        :param patience_s: how long the input may be silent before the node explains why [s].
        :param options: passed to rclpy's Node.
        :raises ValueError: when a parameter is refused.
        """
        super().__init__('yolact', **options)
        self._results: Publishers | None = None
        self._worker: Worker | None = None
        self._active = False
        self._live = LiveParameters(self, self._check, self._follow)
        start = self._live.current
        self._model = ModelSlot(open_predictor, ModelSource(start.weights, start.config),
                                lambda: self._live.current)
        self._metrics = Metrics()
        self._look_again = self.create_guard_condition(self._follow)
        self._retry = RetryRule()
        self._device_failed = self.create_guard_condition(
            self._recover, MutuallyExclusiveCallbackGroup())  # it takes seconds, as a reload does
        self._input = ImageInput(self, start.image_transport, self._receive,
                                 self._look_again.trigger)
        self._reporter = Reporter(self, self._input, lambda: self.status, patience_s)
        self._add_services()
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # ticks also where /clock does not
        self.create_timer(FOLLOW_PERIOD_S, self._follow, clock=steady)
        self.create_timer(REPORT_PERIOD_S, self._reporter.report, clock=steady)

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
        self._input.close()
        stopped = self._worker is None or self._worker.stop(STOP_TIMEOUT_S)
        return stopped and not self._model.is_loading

    # lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model and advertise the outputs."""
        try:
            self._prepare()
            return super().on_configure(state)
        except Exception as error:  # rclpy would swallow it without a word
            self.get_logger().error(f'cannot start: {_reason(error)}')
            self._release()
            return TransitionCallbackReturn.FAILURE

    def _prepare(self) -> None:
        """Get everything that images need."""
        self._model.fill()
        if not self._model.source.weights:
            self.get_logger().info('weights is empty: using the packaged demo model, which knows '
                                   f'{", ".join(self._model.predictor.class_names)}')
        self._results = Publishers(self, self._look_again.trigger)
        self._worker = Worker(self._job, self._results,
                              lambda: self.get_clock().now().nanoseconds, self._metrics,
                              self._complain, self._device_failed.trigger,
                              self.get_logger().info)
        self._worker.start()

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin to serve."""
        if self._model.predictor is None:
            self.get_logger().error('the model is just being loaded again; activate a bit later')
            return TransitionCallbackReturn.FAILURE
        outcome = super().on_activate(state)
        self._active = True
        self._announce()
        self._follow()
        self.get_logger().info(f'{self._model.predictor.description}: listens to '
                               f'{self._input.topic}, publishes {self._results.topics[0]}')
        return outcome

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop serving, keep the model."""
        self._active = False
        self._follow()
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
        if self._results is not None:
            self._results.destroy()
        self._model.empty()
        self._results, self._worker = None, None

    # images

    def _receive(self, message: Any) -> None:
        """Pass an image to the worker."""
        if self._worker is not None:
            self._worker.receive(message)

    def _follow(self) -> None:
        """Open or close the input as listeners, publishers and parameters ask for."""
        parameters = self._live.current
        wanted = self._active and parameters.enabled and self._has_listeners()
        self._input.follow(wanted, parameters.image_qos)
        if not wanted and self._worker is not None:
            self._worker.mailbox.clear()

    def _job(self) -> Job | None:
        """Return what the worker shall do with an image (worker's thread)."""
        while True:
            predictor, parameters = self._model.predictor, self._live.current
            if predictor is self._model.predictor:
                break  # no reload in between: these parameters were checked for this model
        if not self._active or not parameters.enabled or predictor is None:
            return None
        return Job(predictor, parameters)

    def _complain(self, cause: str) -> None:
        """Report why images are lost (worker's thread)."""
        self.get_logger().error(f'image on {self._input.topic} lost: {cause}')

    async def _recover(self) -> None:
        """Load the model again after its device failed; end the node when that does not help."""
        worker = self._worker
        if worker is None:
            return  # cleaned up meanwhile
        figures = self._metrics.figures()
        try:
            if not self._retry.allows(time.monotonic(), figures.processed):
                raise RuntimeError(figures.last_error)
            self.get_logger().warning("the network's device failed: loading the model again")
            await self._model.reload(self._look_again.trigger)
        except Exception as error:  # nothing is left to serve with
            self.get_logger().error("giving up, the network's device failed and the model could "
                                    f'not be brought back: {_reason(error)}; {CURE}')
            raise GivenUp from error
        if worker is self._worker:
            worker.resume()
            self.get_logger().info(f'loaded again: {self._model.predictor.description}')

    # parameters, services

    def _check(self, parameters: Parameters) -> None:
        """Refuse class names that the loaded model does not know."""
        if self._model.predictor is not None:
            parameters.postprocess.check_classes(self._model.predictor.class_names)

    def _add_services(self) -> None:
        """Offer the services; a reload takes seconds, so it must not hold up the others."""
        self.create_service(SetBool, '~/enable', self._on_enable)
        self.create_service(Reload, '~/reload', self._on_reload,
                            callback_group=MutuallyExclusiveCallbackGroup())

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        """Switch processing on or off."""
        result = self.set_parameters([Parameter('enabled', value=request.data)])[0]
        response.success = result.successful
        response.message = result.reason or ('enabled' if request.data else 'disabled')
        return response

    async def _on_reload(self, request: Reload.Request,
                         response: Reload.Response) -> Reload.Response:
        """Load in the background, then swap between two images; keep the old model on failure."""
        if self._model.predictor is None:
            response.message = ('the node has no model now; unless it is just loading it again, '
                                f'run: ros2 lifecycle set {self.get_fully_qualified_name()} '
                                'configure')
            return response
        try:
            await self._model.replace(ModelSource(request.weights, request.config),
                                      self._look_again.trigger)
            self._announce()
        except Exception as error:  # no file may cost the running model
            response.message = f'kept the old model: {_reason(error)}'
            self.get_logger().error(response.message)
            return response
        response.success = True
        response.message = (f'loaded {self._model.source.weights or DEMO_WEIGHTS}: '
                            f'{self._model.predictor.description}')
        self.get_logger().info(response.message)
        return response

    def _announce(self) -> None:
        """Publish the latched class names."""
        self._results.announce(self._model.predictor.class_names,
                               self._live.current.score_threshold)

    # state

    def _has_listeners(self) -> bool:
        """Return True when somebody subscribes to a result."""
        return self._results is not None and bool(self._results.wanted())

    @property
    def status(self) -> NodeStatus:
        """Return how the node is at this moment."""
        predictor, publishers = self._model.predictor, self._results
        return NodeStatus(
            self._active, self._live.current, predictor.description if predictor else '',
            publishers.topics if publishers else (), self._has_listeners(), self._input.reliable,
            self._metrics.figures())


def _reason(error: Exception) -> str:
    """Return an error's text, with its type where the text alone says too little."""
    clear = isinstance(error, (OSError, ValueError, RuntimeError, ImportError)) and str(error)
    return str(error) if clear else f'{type(error).__name__}: {error}'


def main(args: list[str] | None = None) -> int:
    """Run the node until it is interrupted and return the exit status."""
    wait_briefly()
    return run(lambda: YolactNode(_open_predictor), args)


def _open_predictor(*arguments: Any, **options: Any) -> Predictor:
    """Import the network only when it is needed: a refused parameter is told at once."""
    from yolact_ros.inference.predictor import keep_freed_memory, open_predictor
    predictor = open_predictor(*arguments, **options)
    keep_freed_memory()  # of frames, not of the file that was read
    return predictor
