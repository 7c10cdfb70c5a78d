"""The Celery application's settings, the same for whoever sends and whoever consumes."""

from celery import Celery
from kombu import Exchange
from kombu import Queue as KombuQueue

from fourpoint_core.jobs.contracts import KINDS, Queue
from fourpoint_core.settings import CoreSettings

# The default exchange routes by queue name alone. A named exchange keeps its bindings in Redis, and a
# Redis that was emptied would swallow every message until somebody declares them again.
_DIRECT = Exchange("")


def celery_app(settings: CoreSettings, name: str) -> Celery:
    """A Celery application wired to Fourpoint's queues; tasks are registered by the worker."""
    app = Celery(name, broker=settings.redis_url)
    app.conf.update(
        task_queues=[KombuQueue(queue.value, _DIRECT, routing_key=queue.value) for queue in Queue],
        task_default_queue=Queue.IO.value,
        task_default_exchange="",
        task_create_missing_queues=False,
        task_routes={kind.task_name: {"queue": kind.queue.value} for kind in KINDS.values()},
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        # The row is the truth: a message may be lost or doubled, the claim decides.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        # A person waits: fail at once when Redis is away, the sweep publishes later.
        task_publish_retry=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_pool_limit=10,
        broker_transport_options={
            # Of publishing alone: consumers come back by `broker_connection_max_retries`. Without it kombu
            # keeps trying for six seconds, whatever `task_publish_retry` says.
            "max_retries": 0,
            "visibility_timeout": settings.visibility_timeout_seconds,
            "socket_timeout": 5,
            "socket_connect_timeout": 1,
            "socket_keepalive": True,
            "health_check_interval": 10,
        },
    )
    return app
