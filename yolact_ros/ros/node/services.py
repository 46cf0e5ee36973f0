"""The services that steer the node: switch it on and off, give it another model."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool

from yolact_ros.ros.node.model_slot import DEMO_WEIGHTS, ModelSlot, ModelSource
from yolact_ros.ros.reason import reason_of
from yolact_ros.srv import Reload

ENABLE = (SetBool, '~/enable', 'Switch processing on or off (parameter `enabled`).')
RELOAD = (Reload, '~/reload', 'Load weights in the background and swap between two images; a bad '
          'file leaves the old model serving, and the answer says why.')


class Services:
    """Offers ~/enable and ~/reload."""

    def __init__(self, node: Node, model: ModelSlot, announce: Callable[[], None],
                 wake: Callable[[], None]) -> None:
        """
        Advertise them; a reload takes seconds, so it must not hold up the others.

        :param announce: tells the classes of a new model.
        :param wake: wakes the executor, from another thread.
        """
        self._node, self._model, self._announce, self._wake = node, model, announce, wake
        node.create_service(*ENABLE[:2], self._enable)
        node.create_service(*RELOAD[:2], self._reload,
                            callback_group=MutuallyExclusiveCallbackGroup())

    def _enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        """Switch processing on or off."""
        result = self._node.set_parameters([Parameter('enabled', value=request.data)])[0]
        response.success = result.successful
        response.message = result.reason or ('enabled' if request.data else 'disabled')
        return response

    async def _reload(self, request: Reload.Request, response: Reload.Response) -> Reload.Response:
        """Load in the background, then swap between two images; keep the old model on failure."""
        log, model = self._node.get_logger(), self._model
        if model.predictor is None:
            response.message = ('the node has no model now; unless it is just loading it again, '
                                f'run: ros2 lifecycle set {self._node.get_fully_qualified_name()} '
                                'configure')
            return response
        try:
            await model.replace(ModelSource(request.weights, request.config), self._wake)
            self._announce()
        except Exception as error:  # no file may cost the running model
            response.message = f'kept the old model: {reason_of(error)}'
            log.error(response.message)
            return response
        response.success = True
        response.message = (f'loaded {model.source.weights or DEMO_WEIGHTS}: '
                            f'{model.description}')
        log.info(response.message)
        return response
