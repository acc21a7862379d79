"""Where the picture of an estimator in a notebook links to: the page of its reference."""

from __future__ import annotations

import os


class Documented:
    """Gives scikit-learn the address of an estimator's page, if it is known where pages are.

    Where `balinp.reference` has written them is said by the environment variable
    ``BALINP_REFERENCE``, such as ``file:///home/me/reference``. Without it there is no link.

    Examples
    --------
    >>> from balinp.estimators import BALIRegressor
    >>> os.environ["BALINP_REFERENCE"] = "file:///reference"
    >>> BALIRegressor()._get_doc_link()
    'file:///reference/balinp/estimators/regressor.html#BALIRegressor'
    >>> del os.environ["BALINP_REFERENCE"]
    >>> BALIRegressor()._get_doc_link()
    ''
    """

    _doc_link_module = "balinp"

    @property
    def _doc_link_template(self) -> str:
        pages = os.environ.get("BALINP_REFERENCE", "").rstrip("/")
        own = next(cls for cls in type(self).__mro__ if cls.__module__.startswith("balinp."))
        page = own.__module__.replace(".", "/")
        return f"{pages}/{page}.html#{own.__name__}" if pages else ""
