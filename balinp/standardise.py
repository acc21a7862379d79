"""Standardised units for models, original units for everything that comes out.

Models see inputs, and regression targets, with mean 0 and standard deviation 1 on the training
data. With y = s * u + m for a target u in standardised units, a density transforms as
log p(y) = log p(u) - sum log s, which follows from mapping means by s * (.) + m and covariances
by diag(s) (.) diag(s); nothing else needs to be corrected.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from balinp._types import Array
from balinp.predictive import GaussianPredictive
from balinp.units import Units

EPS = float(np.finfo(np.float64).eps)
"""Relative size of a rounding error in float64."""


CONSTANT = 8.0
"""Standard deviation, in eps times the mean, up to which a column counts as constant."""


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of each column of the training data, and the maps they give.

    A constant column has no spread to divide by: its standard deviation is 0 and its unit is
    taken as 1, so that it becomes zero on the training data.

    Columns that are measured in one unit, such as pixels or the channels of a spectrum, may be
    divided by one number. The spread of a single pixel says nothing about the unit that all pixels
    share, and a pixel near the edge that is lit in one training image of thousands would be divided
    by almost nothing: an image that lights it at test came out as an enormous input.

    Attributes
    ----------
    mean : array
        (columns,) array.
    std : array
        (columns,) array, exactly 0 for a column that is constant up to rounding.
    common : bool
        Whether all columns are divided by one number, the root of their mean variance.

    Notes
    -----
    A value that is the result of k rounded operations on numbers of its own size v is off by at
    most k eps |v| / 2, whatever the number of rows: so is the standard deviation of a column that
    would be constant in exact arithmetic. Up to 8 eps |mean|, sixteen operations, a column counts
    as constant. What lies above is kept and is exact: deviations from the mean are formed first,
    without rounding where they are small beside it, and only their own mean and squares are
    summed. So 1e8 + N(0, 1) keeps its variation, and so does 1e8 + 1e-6 N(0, 1), which float64
    stores with six bits.

    Examples
    --------
    >>> scale = Scale.of(np.array([[1.0, 5.0], [3.0, 5.0]]))
    >>> scale.to_standard(np.array([[4.0, 5.0]]))
    array([[2., 0.]])
    >>> pixels = np.array([[0.0, 1.0, 0.0], [0.0, 7.0, 0.0]])
    >>> Scale.of(pixels, common=True).to_standard(np.array([[0.0, 7.0, 3.0]])).round(3)
    array([[0.   , 1.732, 1.732]])
    """

    mean: Array
    std: Array
    common: bool = False

    @classmethod
    def of(
        cls,
        training: Array,
        weights: Array | None = None,
        resolution: float = EPS,
        *,
        common: bool = False,
    ) -> Scale:
        """The scale of training data (N, columns).

        Parameters
        ----------
        training : array
            (N, columns) array.
        weights : array, optional
            (N,) weights of the rows, or None for ones; rows of weight 0 have no say.
        resolution : float, optional
            Relative size eps of a rounding error, that of the dtype data came in.
        common : bool, default False
            Whether all columns are divided by one number.
        """
        centre = np.average(training, axis=0, weights=weights)
        deviations = training - centre
        rest = np.average(deviations, axis=0, weights=weights)  # what rounding has left in them
        deviations -= rest
        _, exponent = np.frexp(np.abs(deviations).max(axis=0))
        squares = np.ldexp(deviations, -exponent) ** 2  # which neither over- nor underflow
        std = np.ldexp(np.sqrt(np.average(squares, axis=0, weights=weights)), exponent)
        return cls._of_moments(centre + rest, std, resolution, common)

    @classmethod
    def _of_moments(cls, mean: Array, std: Array, resolution: float, common: bool) -> Scale:
        return cls(mean, np.where(std <= CONSTANT * resolution * np.abs(mean), 0.0, std), common)

    @classmethod
    def identity(cls, columns: int) -> Scale:
        """The scale that changes nothing."""
        return cls(np.zeros(columns), np.ones(columns))

    def joined(self, count: float, new: Scale, new_count: float, resolution: float = EPS) -> Scale:
        """The scale of all rows, of which this is the scale of `count` and `new` that of the rest.

        With shares p and q of the two, p + q = 1, and means a distance d apart, the mean moves by
        q d, and the variance is p s^2 + q s_new^2 + p q d^2.

        Derivation: NP-8

        Parameters
        ----------
        count, new_count : float
            Numbers of rows, with weights the sums of the weights.
        new : Scale
            Scale of the other rows; columns are divided by one number as they are here.
        resolution : float, optional
            See `of`.

        Examples
        --------
        >>> rows = np.array([[1.0], [2.0], [6.0]])
        >>> Scale.of(rows[:1]).joined(1, Scale.of(rows[1:]), 2).mean
        array([3.])
        """
        total = count + new_count
        p, q = count / total, new_count / total
        distance = new.mean - self.mean
        within = np.hypot(np.sqrt(p) * self.std, np.sqrt(q) * new.std)
        std = np.hypot(within, np.sqrt(p * q) * distance)
        return self._of_moments(self.mean + q * distance, std, resolution, self.common)

    @property
    def unit(self) -> Array:
        """What deviations from the mean are divided by: the standard deviation, or 1 for none.

        If it is common, the root of the mean variance of all columns, constant ones included: then
        the mean square of standardised training data is 1.
        """
        std = self.std
        if self.common and std.any():
            largest = std.max()  # so that squares neither over- nor underflow
            return np.full(std.shape, largest * np.sqrt(np.mean((std / largest) ** 2)))
        return np.where(std == 0, 1.0, std)

    def units_in(self, other: Scale, *, constant_has_unit: bool = False) -> Units:
        """The map from standardised units to those of another scale.

        With z = (x - m) / s and z' = (x - m') / s' it is z' = (s z + m - m') / s'. A column that
        is constant has all its z at zero, in any unit: its unit is taken to have been s' already.

        Derivation: NP-8

        Parameters
        ----------
        other : Scale
            The new scale.
        constant_has_unit : bool, default False
            Whether the unit of constant columns was 1 indeed.
        """
        unknown = (self.std == 0) & (not constant_has_unit)
        unit = np.where(unknown, other.unit, self.unit)
        shift = (self.mean - other.mean) / other.unit
        return Units(unit / other.unit, shift, unknown & (other.std > 0))

    def to_standard(self, values: Array) -> Array:
        """(values - mean) / unit."""
        return (values - self.mean) / self.unit

    @property
    def squares(self) -> Array:
        """Factors s_i s_j (columns, columns) that take covariances to original units."""
        return np.outer(self.unit, self.unit)

    def to_original(self, predictive: GaussianPredictive) -> GaussianPredictive:
        """The same predictive distribution for targets in original units."""
        return predictive.rescaled(self.mean, self.unit)
