"""kombu's Redis transport, mended where it would stop consuming for good."""

from typing import Any

from kombu.transport import redis
from kombu.transport.virtual import QoS as VirtualQoS


class QoS(redis.QoS):
    """The window of messages in hand; a message leaves it even where Redis could not be told.

    kombu keeps its place when an acknowledgement fails. While Redis is away that fills the window, nothing is
    read from the connection any more, and so nobody notices that it is dead: the worker lives and is deaf.
    What Redis then delivers again does no harm, because the job's row decides.
    """

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge, or at least forget, a message. Raises what Redis raises."""
        try:
            super().ack(delivery_tag)
        except BaseException:
            VirtualQoS.ack(self, delivery_tag)
            raise


class Channel(redis.Channel):
    """See QoS."""

    QoS: Any = QoS


class Transport(redis.Transport):
    """See QoS."""

    Channel: Any = Channel
