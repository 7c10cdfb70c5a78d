"""Of several workers who want the same embedding one makes it: says so on the shelf, for as long as it does."""

import threading
from dataclasses import dataclass, field
from uuid import uuid4

from fourpoint_worker.periodic import Periodic
from fourpoint_worker.segmenter.embeddings.flights import Haste
from fourpoint_worker.segmenter.embeddings.keys import EmbeddingKey
from fourpoint_worker.segmenter.embeddings.shared import Shelf, Turn

RENEW_SECONDS = 1.0
# A worker that died keeps the others waiting for so long.
LASTING_SECONDS = 4.0


@dataclass(frozen=True, eq=False)
class Reservation:
    """The word of one maker. is_known: whether other workers know of it."""

    key: EmbeddingKey
    haste: Haste
    is_known: bool
    token: str


@dataclass
class Reservations:
    """Those of this process, renewed until they are given back."""

    shelf: Shelf
    _held: set[Reservation] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._renewal = Periodic("reservations", RENEW_SECONDS, self._renew)
        self._renewal.start()

    def take(self, key: EmbeddingKey, haste: Haste) -> Reservation | None:
        """None while another worker is at it, for somebody who is as much in a hurry or more.

        A click does not wait for what somebody prepares: that may stand in a queue behind anything.
        """
        token = uuid4().hex
        turn = self.shelf.reserve(key, token, haste.urgency, LASTING_SECONDS)
        if turn is Turn.THEIRS:
            return None
        reservation = Reservation(key, haste, turn is Turn.MINE, token)
        if reservation.is_known:
            with self._lock:
                self._held.add(reservation)
        return reservation

    def give_back(self, reservation: Reservation) -> None:
        """It is there, or nothing came of it."""
        if not reservation.is_known:
            return
        with self._lock:
            self._held.discard(reservation)
        self.shelf.release(reservation.key, reservation.token)

    def close(self) -> None:
        """Renew nothing any more."""
        self._renewal.stop()

    def _renew(self) -> None:
        with self._lock:
            held = list(self._held)
        for one in held:
            # By now somebody in more of a hurry may wait for it here.
            self.shelf.renew(one.key, one.token, one.haste.urgency, LASTING_SECONDS)
