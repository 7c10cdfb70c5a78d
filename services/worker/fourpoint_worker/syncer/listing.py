"""The bucket's listing, read ahead: the next pages are under way while a page is compared."""

import queue
import threading
from collections.abc import Generator
from itertools import islice

from fourpoint_core.domain.reconcile import Listed
from fourpoint_core.storage import ObjectStore

PAGE = 1000
PAGES_AHEAD = 4
_PATIENCE_SECONDS = 0.2


def listed(store: ObjectStore, prefix: str, after: str) -> Generator[Listed, None, None]:
    """The objects below a prefix behind a key, in order; at most some pages are in memory.

    Raises what the store raises. Close the iterator where it is not read to its end.
    """
    pages: queue.Queue[list[Listed] | Exception] = queue.Queue(PAGES_AHEAD)
    stop = threading.Event()
    thread = threading.Thread(target=_read, args=(store, prefix, after, pages, stop), daemon=True)
    thread.start()
    try:
        while page := pages.get():
            if isinstance(page, Exception):
                raise page
            yield from page
    finally:
        stop.set()
        thread.join()


def _read(
    store: ObjectStore,
    prefix: str,
    after: str,
    pages: "queue.Queue[list[Listed] | Exception]",
    stop: threading.Event,
) -> None:
    """Put pages into the queue, and an empty one or what went wrong at the end."""
    try:
        # A key after the prefix comes with every object; before the first one, there is none to start behind.
        objects = store.list(prefix, after or None)
        while not stop.is_set():
            page = [Listed(o.key, o.etag, o.size, o.last_modified) for o in islice(objects, PAGE)]
            _put(pages, page, stop)
            if not page:
                return
    except Exception as error:  # noqa: BLE001 - it is raised where the pages are read
        _put(pages, error, stop)


def _put(
    pages: "queue.Queue[list[Listed] | Exception]", page: list[Listed] | Exception, stop: threading.Event
) -> None:
    while not stop.is_set():
        try:
            pages.put(page, timeout=_PATIENCE_SECONDS)
            return
        except queue.Full:
            continue
