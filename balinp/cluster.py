"""The workers of a dask cluster, which add up what is asked of the results that they hold.

Everything of dask is in this module: it is imported when dask arrays come, and dask itself when
it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError
from typing import Any, NoReturn, TypeVar

from balinp.data import Part, added

T = TypeVar("T")

GROUP = 8
"""Sums that one task adds up: so many travel at once to one worker."""

PATIENCE = 30.0
"""Seconds without an answer after which the cluster is asked whether it has workers at all."""


class Workers:
    """The workers of a cluster, of which sums over what they hold can be asked.

    Parameters
    ----------
    client
        Connection to the cluster.

    Raises
    ------
    ConnectionError
        If it does not answer, or has no workers.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self.threads = self._counted()

    @classmethod
    def found(cls) -> Workers:
        """Those of the client that was made last, as for everything else of dask."""
        from distributed import get_client

        try:
            client = get_client()
        except ValueError:
            client = None
        if client is None or client.asynchronous:
            raise ConnectionError(
                "X: expected a cluster for dask arrays, got no client; make one before, by "
                "dask.distributed.Client() on this machine or Client('HOST:8786'), or train here "
                "with X.compute()"
            )
        return cls(client)

    def computed(
        self, function: Callable[..., Any], values: Iterable[Any], **common: Any
    ) -> list[Any]:
        """Futures of a function of values of dask's own; what it makes of them stays there."""
        from dask import delayed

        given = {name: delayed(value, pure=False) for name, value in common.items()}
        made = delayed(function, pure=False)
        return self._client.compute([made(*one, **given) for one in values])

    def each(self, function: Callable[..., Any], *iterables: Any, **arguments: Any) -> list[Any]:
        """Futures of the function's results, which stay on the workers."""
        from dask import config

        # What they have in common is sent once, and workers fetch it from one another. It is a
        # result of a task, which can be made again, unlike what `scatter` sends.
        submit = self._client.submit
        with config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}):
            common = {name: submit(_itself, a, pure=False) for name, a in arguments.items()}
        return self._client.map(function, *iterables, pure=False, **common)

    def total(self, held: Sequence[Any], function: Part, *arguments: Any) -> list[Any]:
        """The sum of ``function(one, *arguments)`` over futures, in their order."""
        futures = self.each(_applied, held, asked=(function, arguments))
        while len(futures) > 1:
            groups = [futures[i : i + GROUP] for i in range(0, len(futures), GROUP)]
            futures = self._client.map(added, groups, pure=False)
        (result,) = self.brought(futures)
        return list(result)

    def brought(self, futures: Sequence[Any]) -> list[Any]:
        """Results, brought here; what a task has raised is raised here.

        Raises
        ------
        ConnectionError
            If the cluster is lost, or has no worker left.
        MemoryError
            If one worker after another dies of a task.
        """
        try:
            while not self._are_done(futures):
                self._counted()
        except CancelledError as error:
            raise self._lost() from error
        for future in futures:
            if future.status == "error":
                raise_error_of(future)
        try:
            return self._client.gather(futures)
        except (OSError, CancelledError) as error:
            raise self._lost() from error

    def _are_done(self, futures: Sequence[Any]) -> bool:
        from distributed import TimeoutError, wait

        try:
            wait(futures, timeout=PATIENCE)
        except TimeoutError:
            return False
        return True

    def _counted(self) -> int:
        """Threads of all workers; ConnectionError if there are none."""
        if self._client.status != "running":
            raise self._lost()
        try:
            threads = sum(self._client.nthreads().values())
        except (OSError, CancelledError) as error:
            raise self._lost() from error
        if not threads:
            raise ConnectionError(
                f"X: expected a cluster with workers, got none at {self._address}; start some, "
                f"such as by: dask worker {self._address}"
            )
        return threads

    def _lost(self) -> ConnectionError:
        return ConnectionError(
            f"X: expected the cluster at {self._address} to answer, got no answer; start it again, "
            "and fit again: the model goes on from its last step"
        )

    @property
    def _address(self) -> str:
        scheduler = self._client.scheduler
        return "an unknown address" if scheduler is None else str(scheduler.address)


def raise_error_of(future: Any) -> NoReturn:
    """Raise what a task has raised, or MemoryError if workers died of it one after another."""
    from distributed import KilledWorker

    error = future.exception()
    if isinstance(error, KilledWorker):
        raise MemoryError(
            "X: expected chunks that fit into a worker's memory, got workers that died of one, the "
            f"last at {error.last_worker.address}; use smaller chunks, or see the worker's log"
        ) from error
    raise error


def _itself(value: T) -> T:
    return value


def _applied(one: Any, asked: tuple[Part, tuple[Any, ...]]) -> Sequence[Any]:
    function, arguments = asked
    return function(one, *arguments)
