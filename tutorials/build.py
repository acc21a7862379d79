"""Make the notebooks from their sources: every NN_name.py here becomes NN_name.ipynb, executed.

    python tutorials/build.py           # all
    python tutorials/build.py 02 06     # some

A source is a Python program in jupytext's percent format, in which `# %%` begins a cell. It runs
in a fresh kernel of this Python, in this directory, for at most `TIME_LIMIT` seconds of the
processor's, however busy the machine is. Same source, same versions, same notebook: it holds no
time, no machine path and no random cell id.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import jupytext
import nbformat
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec
from nbclient import NotebookClient
from nbformat import NotebookNode

HERE = Path(__file__).resolve().parent
TIME_LIMIT = 120  # seconds of the processor's, for the kernel and for each process that it starts
WAIT_LIMIT = 3600.0  # seconds on the clock, for what waits and will never go on
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
ENVIRONMENT = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",  # whatever the caller's is
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONPATH": os.pathsep.join(  # this clone's balinp, whichever is installed
        filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")])
    ),
}


class ThisPython(AsyncKernelManager):
    """Starts the running interpreter, whichever kernels are installed, and limits its time."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """What ipykernel says about itself; it warns that messages on this machine are plain."""
        spec = get_kernel_dict(["--log-level=ERROR"])
        limit = ["sh", "-c", f'ulimit -S -t {TIME_LIMIT} && exec "$@"', "sh"]
        return KernelSpec(**{**spec, "argv": limit + spec["argv"]})


def sources() -> list[Path]:
    """All tutorials, in order."""
    return sorted(HERE.glob("[0-9][0-9]_*.py"))


def unexecuted(source: Path) -> NotebookNode:
    """The notebook of a source, without outputs; a cell's id is a digest of its text."""
    notebook = jupytext.read(source)
    notebook.metadata = nbformat.from_dict(METADATA)
    seen: list[str] = []
    for cell in notebook.cells:
        text = f"{seen.count(cell.source)} {cell.source}"
        seen.append(cell.source)
        cell.metadata.pop("lines_to_next_cell", None)  # jupytext's count of blank lines
        cell.id = hashlib.sha256(text.encode()).hexdigest()[:12]
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def executed(source: Path) -> NotebookNode:
    """The notebook of a source with its outputs.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell raises.
    nbclient.exceptions.DeadKernelError
        If the system ends the kernel, which takes more of the processor's time than `TIME_LIMIT`.
    nbclient.exceptions.CellTimeoutError
        If the whole takes longer than `WAIT_LIMIT`.
    """
    notebook = unexecuted(source)
    deadline = time.monotonic() + WAIT_LIMIT
    client = NotebookClient(
        notebook,
        kernel_manager_class=ThisPython,
        resources={"metadata": {"path": str(HERE)}},
        timeout_func=lambda cell: max(deadline - time.monotonic(), 0.01),
        record_timing=False,
        coalesce_streams=True,
    )
    client.execute(env=os.environ | ENVIRONMENT)
    notebook.metadata = nbformat.from_dict(METADATA)  # nbclient adds the version of Python
    return notebook


def problems(notebook: NotebookNode) -> list[str]:
    """What must not be in an executed notebook: warnings, machine paths, addresses in memory."""
    local = {str(HERE.parent), str(Path.home()), tempfile.gettempdir(), sys.prefix}
    forbidden = "|".join([*map(re.escape, sorted(local - {"/"})), r"\b0x[0-9a-f]{6,}"])
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            text = output.get("text", "") + output.get("data", {}).get("text/plain", "")
            match = re.search(forbidden, text)
            if output.output_type == "error" or output.get("name") == "stderr":
                found.append(f"cell {cell.execution_count} writes an error or a warning: {text}")
            elif match:
                found.append(f"cell {cell.execution_count} prints {match[0]}: {text}")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Build the named tutorials, or all; the exit status is 1 if one has a problem."""
    parser = argparse.ArgumentParser(description="make the notebooks of the tutorials")
    parser.add_argument("numbers", nargs="*", metavar="NN", help="which; all if none is named")
    wanted = parser.parse_args(arguments).numbers
    known = {source.name[:2] for source in sources()}
    if not known >= set(wanted):
        parser.error(f"expected numbers among {sorted(known)}, got {wanted}")
    status = 0
    for source in sources():
        if wanted and source.name[:2] not in wanted:
            continue
        start = time.monotonic()
        notebook = executed(source)
        seconds = time.monotonic() - start
        found = problems(notebook)
        if found:
            status = 1
            print(f"{source.name} not written:", *found, sep="\n  ", file=sys.stderr)
        else:
            nbformat.write(notebook, source.with_suffix(".ipynb"))
            print(f"{source.with_suffix('.ipynb').name}: {seconds:.1f} s")
    return status


if __name__ == "__main__":
    sys.exit(main())
