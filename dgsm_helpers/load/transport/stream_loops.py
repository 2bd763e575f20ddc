"""Event loops for streams: made, run in a thread beside whatever loop the caller has, and closed."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any

LOOK_S = 0.25


def run_blocking[T](work: Coroutine[Any, Any, T], meanwhile: Callable[[], object] = lambda: None) -> T:
    """Run a coroutine to its end in a thread with its own event loop; an error or an interrupt reaches the caller.

    ``meanwhile`` is called some times a second in the caller's thread.
    """
    outcome: Future[T] = Future()
    loop = stream_loop()
    task = loop.create_task(work)

    def run() -> None:
        try:
            outcome.set_result(loop.run_until_complete(task))
        except BaseException as error:
            outcome.set_exception(error)
        finally:
            close_loop(loop)

    thread = threading.Thread(target=run, name="dgsm-stream", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(LOOK_S)
            meanwhile()
    except BaseException:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(timeout=5)
        raise
    return outcome.result()


def run_here[T](work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in a loop of its own, in this thread, which has none."""
    loop = stream_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        close_loop(loop)


def stream_loop() -> asyncio.AbstractEventLoop:
    """A new event loop for streams: it keeps quiet about one harmless thing that AWS's client leaves behind.

    When the server ends a stream first, as it does after every CloseStream, the native client complains from a task
    that nobody awaits.
    """

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if "AWS_ERROR_HTTP_STREAM_HAS_COMPLETED" not in str(context.get("exception")):
            loop.default_exception_handler(context)

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(handle)
    return loop


def close_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Close a loop that no longer runs, with whatever the native client left pending in it."""
    pending = asyncio.all_tasks(loop)
    for left in pending:
        left.cancel()
    if pending:
        loop.run_until_complete(asyncio.wait(pending, timeout=2))
    loop.close()


async def stopped_within(stop: asyncio.Event, seconds: float) -> bool:
    """Whether ``stop`` is set by the time ``seconds`` have passed."""
    if seconds <= 0:
        return stop.is_set()
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True
