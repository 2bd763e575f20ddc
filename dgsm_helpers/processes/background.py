"""Work that may hang (a resolver, a credential process, a call without answer), in a thread that nobody waits for.

And processes of ours, which none must outlive.
"""

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future


def in_background[T](work: Callable[[], T]) -> Future[T]:
    """Begin ``work`` in a daemon thread; the future has its outcome. Giving it up leaves the process free to end."""
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:
            if outcome.set_running_or_notify_cancel():
                outcome.set_exception(error)
        else:
            if outcome.set_running_or_notify_cancel():
                outcome.set_result(result)

    threading.Thread(target=run, name="dgsm-background", daemon=True).start()
    return outcome


def end_with_parent() -> None:
    """For a process of `multiprocessing`: end when the process that started it does, however that ends."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, name="dgsm-parent", daemon=True).start()
