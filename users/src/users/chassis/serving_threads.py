"""A web process whose requests wait in threads: how it stops."""

from __future__ import annotations

from gunicorn.workers.gthread import ThreadWorker


class Worker(ThreadWorker):
    """gunicorn's worker with threads, which shuts its port when it is told to stop.

    gunicorn shuts it last. Until then the system goes on taking connections, seconds long, that are
    dropped unanswered in the end. Who is refused instead has lost nothing, and tries the next
    address.
    """

    def set_accept_enabled(self, enabled: bool) -> None:
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive:
            self._shut()

    def _shut(self) -> None:
        for listener in self.sockets:
            listener.setblocking(False)
            come = -1
            while come != self.nr_conns:  # those who are connected already are let in first
                come = self.nr_conns
                self.accept(listener)
            listener.close()
        self.sockets = []
