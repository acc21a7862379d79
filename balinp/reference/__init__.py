"""The command ``python -m balinp.reference``: every function and every note, as pages to browse.

It writes one page a module, with the statement of each equation beside the functions that compute
it, and one page a note of derivations/, with the functions that use each equation. The pages need
neither a network nor a server: formulas are MathML, which browsers draw themselves. It works from
an installed package as from a clone, with what ``pip install 'balinp[docs]'`` adds.
"""
