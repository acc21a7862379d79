# %% [markdown]
# # 06 Verify it yourself
#
# Why should you believe a program of numerical mathematics? It ran, and it drew a plausible curve:
# so do most wrong programs. This tutorial shows what the project offers instead. Every equation has
# a proof, a place in the code and a test, tied together by a tag. And the tests themselves are
# tested, by putting mistakes into the code to see whether they notice.
#
# You need a **clone** of the repository, since tests and derivations are not part of the installed
# package, and `pytest`. No file of the clone is changed: a mistake is made in the memory of a fresh
# Python, and ends with it.

# %%
import difflib
import os
import subprocess
import sys
from pathlib import Path

repository = Path.cwd().parent
if not (repository / "tests" / "mutants.py").exists():
    raise FileNotFoundError(
        "this tutorial needs a clone of the repository: expected ../tests/mutants.py beside the "
        "tutorials, got no such file. Clone it, and start Jupyter in its directory tutorials/."
    )
sys.path[:0] = [str(repository / "tests"), str(repository / "derivations")]

os.environ["PY_COLORS"] = "0"  # Jupyter asks programs for colours; pytest's words are read below

import make_table  # noqa: E402  derivations/make_table.py: reads the tags
import mutants  # noqa: E402  tests/mutants.py: makes the mistakes

# %% [markdown]
# ## 1. Three places of one equation
#
# A **tag** such as PT-2 names one equation for ever. It is written in three places:
#
# - it is *defined*, with a proof, in a file of [derivations/](../derivations/README.md);
# - it is *cited* by the docstring of every function that uses it, in a line `Derivation: PT-2`;
# - it is the mark of every test that checks it, `@pytest.mark.equation("PT-2")`.
#
# `make_table.read_all` reads all three from the files. Here they are for PT-2, which says that the
# pseudo-targets of a Gaussian output layer are the observations
# ([tutorial 02](02_pseudo_targets_by_hand.ipynb)).

# %%
defined, cited, marked = make_table.read_all(repository)


def places(tag, uses):
    """Where a tag is written."""
    return sorted({use.place for use in uses if use.tag == tag})


for word, uses in [("defined", defined), ("cited", cited), ("tested", marked)]:
    print(word + ":", *places("PT-2", uses), sep="\n    ")

# %% [markdown]
# It would be easy to forget one of the three, so a test counts them for all tags. We do the same
# with sets. Nothing may be left over.

# %%
tags = {use.tag for use in defined}
assert len(tags) == len(defined)  # each is defined once
assert tags == {use.tag for use in cited}
assert tags == {use.tag for use in marked}

# %% [markdown]
# The proofs are tested, too. Each file of derivations has a program that asserts its algebra with
# random matrices. It imports NumPy and nothing of `balinp`, so a mistake in the code cannot hide a
# mistake in the notes.

# %%
check = repository / "derivations" / "checks" / "06_pseudo_targets.py"
run = subprocess.run([sys.executable, check], capture_output=True, text=True, check=True)
print(run.stdout)
assert "PT-2" in run.stdout
assert "import balinp" not in check.read_text("utf-8")
assert "from balinp" not in check.read_text("utf-8")

# %% [markdown]
# ## 2. The tests of one equation
#
# In a terminal, `pytest --equation PT-2` runs the tests that carry this mark. Here a fresh Python
# runs those of one file.


# %%
def fresh_python(*arguments):
    """What a fresh Python prints in the clone's directory, and its exit status."""
    new = {"PYTHONPATH": f"{repository}{os.pathsep}{repository / 'tests'}"}
    run = subprocess.run(
        [sys.executable, *arguments],
        cwd=repository,
        env=os.environ | new,
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stdout, run.returncode


pytest = ["-p", "no:cacheprovider", "-q", "-x"]
one_file = ["--equation", "PT-2", "tests/network/test_pseudo_targets.py"]
report, status = fresh_python("-m", "pytest", *pytest, *one_file)
assert status == 0
print("with the correct code no test of PT-2 in this file fails")

# %% [markdown]
# A test that passes says little until we know that it can fail.
#
# ## 3. One mistake
#
# `tests/mutants/` lists mistakes, each a change of one place in one module. Such a changed
# program is called a **mutant**. Take one in which the gradient has the wrong sign.

# %%
listed = {(m.tag, m.mistake): m for m in mutants.listed()}
untouched = {m.path: (repository / m.path).read_text("utf-8") for m in listed.values()}


def show(mutant):
    """The lines of the module that a mutant changes."""
    correct = (repository / mutant.path).read_text("utf-8")
    lines = difflib.unified_diff(
        correct.splitlines(), mutant.applied().splitlines(), lineterm="", n=0
    )
    print(mutant.path)
    print(
        *[line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")], sep="\n"
    )


wrong_sign = listed["PT-1", "sign of the gradient"]
show(wrong_sign)

# %% [markdown]
# What does the program do with it? `mutants.make` makes the mistake in the Python that calls it:
# the module is compiled from the changed text. A fresh Python does so, and computes the
# pseudo-target of an output layer whose output is 9 where the observation is 3. By PT-2 it must be
# 3, whatever the noise.


# %%
def making(mutant):
    """The lines of a program that make a mistake; none where there is no mutant."""
    return f"import mutants\nmutants.make(mutants.{mutant!r})" if mutant else ""


def pseudo_target(noise_variance, mutant=None):
    """The pseudo-target for an output of 9 and an observation of 3, from a fresh Python."""
    program = f"""
{making(mutant)}
import numpy as np
from balinp import MLP, Gaussian
from balinp.pseudo_targets import trace
X, Y, weights = np.array([[2.0]]), np.array([[3.0]]), [np.array([[4.0], [1.0]])]
print(trace(MLP([1, 1]), Gaussian({noise_variance}), weights, X, Y).pseudo_targets[0][0, 0])
"""
    printed, status = fresh_python("-c", program)
    assert status == 0
    return float(printed)


correct = pseudo_target(0.25)
wrong = pseudo_target(0.25, wrong_sign)
print(f"correct code: {correct:.6f}, with the wrong sign: {wrong:.6f}")
assert abs(correct - 3) < 1e-12  # y
assert abs(wrong - 15) < 1e-12  # f - V g = f - (y - f) = 9 + 6: as far, on the wrong side

# %% [markdown]
# No error, no warning, a number. The tests do better. `tried` makes the mistake in a process of its
# own, and runs the tests of its equation there up to the first that fails.

# %%
verdict = mutants.tried(wrong_sign)
print("first to fail:", verdict.killer)


def tags_of(test):
    """The equations that a test is marked with."""
    return sorted({use.tag for use in marked if use.place == test})


print("it checks:", *tags_of(verdict.killer))
assert verdict.own  # it was one of the equation's own tests
assert "PT-1" in tags_of(verdict.killer)

# %% [markdown]
# ## 4. Four mistakes, four equations
#
# Each is a slip that is easily made: a sign, a lost factor, two things confused. Read each change
# and think of what it breaks before you read on.

# %%
chosen = [
    ("PT-2", "only half the way to the observation"),
    ("LR-3", "missing N/B"),
    ("LR-4", "V's determinant for H's"),
    ("NP-1", "rate for 1 - rate"),
]
for key in chosen:
    show(listed[key])
    print()

# %% [markdown]
# 1. A pseudo-target stops half way. The output layer no longer sees the observation (PT-2).
# 2. A batch of $B$ data stands for $N$. Without $N/B$ the data of a mini-batch count too little
#    against the prior (LR-3).
# 3. The sign of a log determinant: mean and covariance stay right, but the evidence is wrong, and
#    with it everything that is chosen by it (LR-4).
# 4. Old and new data change their weights in the moving average (NP-1).

# %%
verdicts = {key: mutants.tried(listed[key]) for key in chosen}
for (tag, mistake), verdict in verdicts.items():
    print(f"{tag}: {mistake}")
    print(f"    {verdict.killer}")
    print(f"    checks {', '.join(tags_of(verdict.killer))}")

for (tag, _), verdict in verdicts.items():
    assert verdict.own
    assert tag in tags_of(verdict.killer)

# %% [markdown]
# A failing test names its equation in its report as well, so that you know which page to open.
# These are the lines of that report that matter.

# %%
half_way = listed["PT-2", "only half the way to the observation"]
program = f"{making(half_way)}\nimport pytest\nraise SystemExit(pytest.main({pytest + one_file}))"
report, status = fresh_python("-c", program)
shown = [x for x in report.splitlines() if x.startswith(("this test checks", "FAILED"))]
print(*[line.split(" - ")[0] for line in shown], sep="\n")
assert status == 1
assert "this test checks PT-2" in report

# %% [markdown]
# ## 5. And a change that is no mistake
#
# A suite that fails at *every* change would find all mistakes, too, and be worthless. So change the
# code without changing the mathematics. No test of the equation may fail.

# %%
harmless = mutants.Mutant(
    module="kernels",
    tag="NP-1",
    mistake="none, the same sum in another order",
    old="old + rate * (new - old)",
    new="rate * (new - old) + old",
)
files = ["tests/layer/test_kernels.py", "tests/layer/test_natural_parameters.py"]
assert mutants.tried(harmless, files).killer is None
print("nothing fails")

# %% [markdown]
# The whole list has at least two mutants for every equation, and `python tests/mutants.py` tries
# them all in some minutes. It is not a proof. Mistakes that nobody thought of are not on the list.
# You can add yours: see the exercises.
#
# ## Exercises
#
# Replace `None` by your answer and run the cell. Below it, in a cell that JupyterLab folds, is the
# reference answer; running it checks yours.
#
# **1.** Here are three more mistakes without their names. Which equation does each break? Choose
# from KR-1, MN-1, BP-1, PT-1, JS-1 and EV-2. The
# [table of tags](../derivations/table.md) is allowed.

# %%
unnamed = {
    "A": listed["EV-2", "number of parameters for gamma"],
    "B": listed["BP-1", "missing slope"],
    "C": listed["KR-1", "vec stacks rows"],
}
for letter, mutant in unnamed.items():
    print(f"{letter}: ", end="")
    show(mutant)
    print()

answer_1 = None  # {"A": "...", "B": "...", "C": "..."}

# %% tags=["answer"] jupyter={"source_hidden": true}
reference_1 = {"A": "EV-2", "B": "BP-1", "C": "KR-1"}
for letter, mutant in unnamed.items():
    killer = mutants.tried(mutant).killer
    print(f"{letter}: {killer} checks {', '.join(tags_of(killer))}")
    assert reference_1[letter] in tags_of(killer)
assert answer_1 is None or answer_1 == reference_1

# %% [markdown]
# **2.** Which tests are marked with PT-3? Find them in any way you like but by `make_table`: read
# the files in tests/, or ask `pytest --collect-only`. Give their names without files and
# parameters.

# %%
answer_2 = None  # a set of names, {"test_...", ...}

# %% tags=["answer"] jupyter={"source_hidden": true}
files = sorted({f"tests/{use.place.split('::')[0]}" for use in marked if use.tag == "PT-3"})
options = [*pytest, "--collect-only", "--equation", "PT-3"]
report, status = fresh_python("-m", "pytest", *options, *files)
lines = [line for line in report.splitlines() if "::" in line]
assert status == 0
reference_2 = {line.split("::")[-1].split("[")[0] for line in lines}
assert reference_2 == {place.split("::")[-1] for place in places("PT-3", marked)}
assert answer_2 is None or set(answer_2) == reference_2

# %% [markdown]
# **3.** Make a mistake of your own in `balinp/pseudo_targets.py`. Replace the line `return
# mean_outputs + H.solve_rows(gradients)` such that the pseudo-targets of a Gaussian *output* layer
# with noise variance 1 are still right, but all others are wrong. PT-2 alone, tested with that one
# variance, would not notice. Which test does?

# %%
answer_3 = None  # a line of code, "return ..."

# %% tags=["answer"] jupyter={"source_hidden": true}
reference_3 = "return mean_outputs + gradients"  # V g = g only if V = I

for line in [reference_3] if answer_3 is None else [reference_3, answer_3]:
    own = mutants.Mutant(
        module="pseudo_targets",
        tag="PT-1",
        mistake="of my own",
        old="return mean_outputs + H.solve_rows(gradients)",
        new=line,
    )
    assert abs(pseudo_target(1.0, own) - 3) < 1e-12
    killer = mutants.tried(own).killer
    assert killer is not None
    print("found by", killer, "which checks", *tags_of(killer))

# %% [markdown]
# Last, the clone is what it was.

# %%
for name, text in untouched.items():
    assert (repository / name).read_text("utf-8") == text
