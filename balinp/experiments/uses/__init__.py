"""What uncertainty is used for: more than tables of test scores.

`outside` tells letters from digits, `corrupted` spoils the inputs, `active` chooses data to be
labelled, `optimisation` looks for a minimum, `drift` follows a stream. Each has a function that
gives records, one that makes a table of them, and one that draws them; `digits` has what two of
them train, `curves` how means are drawn. ``python -m balinp.experiments.uses NAME`` runs one; the
records of today's code are the JSON files here, and README.md shows and judges them.
"""
