"""kombu's Redis transport, mended where it would stop consuming for good, or for half a minute."""

from typing import Any, Self

import kombu
from celery import Celery
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


class Connection(kombu.Connection):
    """Tries once a second to come back to a Redis that is away.

    kombu waits longer after each try, up to half a minute: after an outage Redis takes clicks again, and nobody
    hears of them.
    """

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Self:
        """See kombu."""
        once_a_second = {"interval_start": 1, "interval_step": 0, "interval_max": 1}
        return super().ensure_connection(*args, **(once_a_second | kwargs))


def install(app: Celery) -> None:
    """Have a worker consume by these."""
    app.conf.broker_transport = f"{__name__}:{Transport.__name__}"
    app.amqp.Connection = Connection
