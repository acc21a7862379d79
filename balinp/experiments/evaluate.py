"""The command ``balinp evaluate``: run, print a table, write records and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from balinp.experiments import KINDS, UserError, require_extras
from balinp.experiments.dataset import Dataset
from balinp.experiments.datasets import (
    for_validation,
    known_names,
    load,
    training_part,
    with_gaps,
    with_outside,
)
from balinp.experiments.figures import save_figure
from balinp.experiments.frames import from_frame
from balinp.experiments.groups import group_report, with_groups
from balinp.experiments.journal import Journal
from balinp.experiments.leakage import Leakage, leakage, leakage_report
from balinp.experiments.methods import METHODS, Method, added, select, too_many
from balinp.experiments.output import (
    announce,
    check_writable,
    figure_for,
    is_stream,
    remark,
    show,
    write_records,
)
from balinp.experiments.results.cost import expected
from balinp.experiments.runner import Job, Outcome, run
from balinp.experiments.scores import Record
from balinp.experiments.stopping import stoppable, undisturbed
from balinp.experiments.table import gap_sizes, gap_table, table

FIGURE = "evaluate_{name}.png"
"""Where the figure goes unless told."""


def evaluate(
    data: Any,
    *,
    target: str | None = None,
    classes: bool = False,
    drop: Sequence[str] = (),
    validation: bool = False,
    gap: str | None = None,
    groups: str | None = None,
    ood: str | None = None,
    input_scale: str | None = None,
    splits: int | None = None,
    methods: Sequence[str] | None = None,
    estimators: Sequence[Any] = (),
    jobs: int | None = None,
    json_path: str | Path | None = None,
    resume: bool = False,
    figure_path: str | Path | None = FIGURE,
) -> list[Record]:
    """Compare methods on splits 0 to `splits` - 1 of a data set; print the table.

    Parameters
    ----------
    data
        Its name, see `balinp.experiments.datasets.load`; or a `Dataset`, or a pandas data frame,
        which is read as `balinp.experiments.frames.from_frame` says.
    target, classes, drop
        Of a data frame or a CSV file: the column to be predicted, whether it holds classes, and
        columns to leave out.
    validation : bool, default False
        Test on a part of each split's training rows, see
        `balinp.experiments.datasets.for_validation`; with gaps, in gaps of the training rows of
        split 0. Test rows are not looked at.
    gap : str, optional
        Rule of `balinp.experiments.datasets.with_gaps` for tests in gaps between training data, or
        None.
    groups : str, optional
        Columns that make the groups to be held out whole, see
        `balinp.experiments.groups.with_groups`, or None.
    ood : str, optional
        Directory of images to be told apart from the test data, or None.
    input_scale : str, optional
        ``"column"`` or ``"common"``, see `Dataset`; None is the data set's own.
    splits : int, optional
        Number of splits; None is ten, or as many as there are; with gaps, all.
    methods : sequence of str, optional
        Their names, in any case, or None for all that fit the data set and can be run here.
    estimators : sequence, default ()
        Further methods: estimators of scikit-learn's kind, or ``"MODULE:OBJECT"``; see
        `balinp.experiments.methods.from_estimator`.
    jobs : int, optional
        Number of workers, see `balinp.experiments.runner.run`.
    json_path : str or Path, optional
        Where to write the records, or None; ``"-"`` is standard output, and the table then
        goes to standard error. Beside a file, in ``NAME.journal``, outcomes are kept as they
        finish.
    resume : bool, default False
        Go on from that journal, if there is one; otherwise it is begun anew. Outcomes of methods
        whose settings or defaults have changed since are made again.
    figure_path : str or Path or None, optional
        Where to draw the figure, ``{name}`` in it being the name of the data set; None draws none.

    Returns
    -------
    list of Record
        The records, as written to `json_path`.

    Raises
    ------
    UserError
        If something is missing or unknown, an estimator fails, or a journal is of other data or
        another version.
    KeyboardInterrupt
        If it is stopped; the message says what is kept.

    Notes
    -----
    Jobs run on any backend of joblib, chosen by its context::

        import joblib
        from balinp.experiments.evaluate import evaluate

        with joblib.parallel_config(backend="threading", n_jobs=4):
            records = evaluate("diabetes")

    Examples
    --------
    An estimator beside a method of this package, on a data frame:

    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.svm import SVR
    >>> frame = load_diabetes(as_frame=True).frame
    >>> records = evaluate(frame, target="target", splits=1, methods=["BayesianRidge"],
    ...                    estimators=[SVR()], figure_path=None)  # doctest: +ELLIPSIS
    | method        | RMSE ...
    >>> [(record["method"], record["rmse"] < 77) for record in records]  # the spread of the target
    [('BayesianRidge', True), ('SVR', True)]
    """
    require_extras()
    json_path = None if json_path is None else Path(json_path)
    if resume and (json_path is None or is_stream(json_path)):
        raise UserError("--resume: needs --json FILE, beside which finished records are kept")
    dataset = _scaled(_dataset(data, target, classes, drop), input_scale)
    dataset = _tested(dataset, validation, gap, groups, ood)
    chosen = _chosen(dataset, methods, estimators)
    numbers = dataset.first_splits(splits)
    figure = figure_for(figure_path, dataset.name)
    check_writable(json_path, figure)
    outcomes = _outcomes(dataset, chosen, numbers, jobs, json_path, resume)
    found = dict(zip(numbers, leakage(dataset, numbers), strict=True))
    records = [outcome.record | found[outcome.job[0]].shares for outcome in outcomes]
    unasked = too_many(dataset.kind, len(dataset.X)) if methods is None else ""
    show(_report(records, dataset, list(found.values())) + unasked, json_path)
    if json_path is not None:
        write_records(records, json_path)
    if figure is not None:
        save_figure(outcomes, dataset, figure)
        announce(figure)
    return records


def _dataset(data: Any, target: str | None, classes: bool, drop: Sequence[str]) -> Dataset:
    if isinstance(data, str):
        return load(data, target, classes=classes, drop=drop)
    if not isinstance(data, Dataset):
        if target is None:
            raise UserError("target: expected the name of a column of the data frame, got None")
        return from_frame(data, target, classes=classes, drop=drop)
    if target is not None or classes or drop:
        raise UserError("target, classes, drop: expected a data frame to go with, got a Dataset")
    return data


def _scaled(dataset: Dataset, input_scale: str | None) -> Dataset:
    """The data set with another scale of its inputs; None leaves it."""
    if input_scale is None or input_scale == dataset.input_scale:
        return dataset
    if dataset.input_scale == "filled":
        raise UserError("--input-scale: expected data without missing numbers to go with")
    return replace(dataset, input_scale=input_scale)


def _tested(
    dataset: Dataset, validation: bool, gap: str | None, groups: str | None, ood: str | None
) -> Dataset:
    """The data set with the test parts that are asked for."""
    if validation:
        own_splits = gap is None and groups is None
        dataset = for_validation(dataset) if own_splits else training_part(dataset)
    if gap is not None:
        dataset = with_gaps(dataset, gap)
    if groups is not None:
        dataset = with_groups(dataset, groups)
    return dataset if ood is None else with_outside(dataset, ood)


def _chosen(
    dataset: Dataset, names: Sequence[str] | None, estimators: Sequence[Any]
) -> list[Method]:
    """The methods that are asked for, at least one."""
    chosen = select(dataset.kind, names, len(dataset.X))
    chosen += added(dataset.kind, estimators, [method.name for method in chosen])
    if not chosen:
        raise UserError("--methods: expected at least one method")
    return chosen


def _report(records: Sequence[Record], dataset: Dataset, leaked: Sequence[Leakage]) -> str:
    """All tables, and what there is to say on how data were read."""
    text = table(records, dataset.kind)
    if dataset.note:
        text += f"\n{dataset.name}: {dataset.note}\n"
    text += f"\n{leakage_report(leaked, dataset.inputs)}"
    if dataset.group_columns is not None:
        text += f"\n{group_report(dataset)}"
    if dataset.gap_columns is not None:
        n, inputs = dataset.X.shape
        left_out = sorted({*range(inputs)} - {*dataset.gap_columns})
        text += f"\n{gap_table(records)}\n{gap_sizes(records, n, left_out, dataset.inputs)}"
    return text


def _outcomes(
    dataset: Dataset,
    methods: Sequence[Method],
    splits: Sequence[int],
    jobs: int | None,
    json_path: Path | None,
    resume: bool,
) -> list[Outcome]:
    """All outcomes, split by split; those of the journal are not computed again."""
    done: dict[Job, Outcome] = {}
    journal = None
    if json_path is not None and not is_stream(json_path):
        journal = Journal(json_path.with_name(json_path.name + ".journal"), dataset, methods)
        if resume:
            done = journal.resume()
        else:
            journal.start()
    left = [(k, method.name) for k in splits for method in methods if (k, method.name) not in done]
    remark(lambda: expected(dataset.name, [name for _, name in left]))
    try:
        with stoppable():
            for outcome in run(dataset, methods, splits, jobs=jobs, done=done):
                with undisturbed():  # what is said to be kept is what is kept
                    if journal is not None:
                        journal.append(outcome)
                    done[outcome.job] = outcome
    except KeyboardInterrupt:
        kept = "nothing is kept; with --json FILE finished outcomes are, and --resume goes on"
        if journal is not None:
            kept = (
                f"{len(done)} of {len(methods) * len(splits)} outcomes are kept in {journal.path}; "
                "go on with the same command and --resume"
            )
        raise KeyboardInterrupt(kept) from None
    return [done[split, method.name] for split in splits for method in methods]


def listing() -> str:
    """Names of data sets and methods, and why a method cannot be run here."""
    lines = ["data sets:", *(f"  {name}" for name in known_names())]
    for kind in KINDS:
        lines.append(f"methods for {kind}:")
        for method in METHODS:
            if method.kind == kind:
                obstacle = method.obstacle(0)
                lines.append(f"  {method.name}" + (f" ({obstacle})" if obstacle else ""))
    lines.append("and any estimator of scikit-learn's kind: --method MODULE:OBJECT")
    return "\n".join(lines)
