# SPDX-License-Identifier: GPL-3.0-or-later
"""`make notebooks-test`: what lies in the figures of rows."""

import unittest

import galleries
import numpy as np
from matplotlib import pyplot as plt


class Galleries(unittest.TestCase):
    """Which axes figures have, and what lies in them."""

    def setUp(self):
        self.addCleanup(plt.close, "all")
        self.rows = np.random.default_rng(1).standard_normal((50, 10))

    def drawn(self, columns, names=None, **more):
        rows = self.rows[:, :columns]
        return galleries.gallery({"data": rows, "em": rows + 1}, data=rows, names=names, heading="run", **more)

    @staticmethod
    def points(axes):
        return axes.collections[-1].get_offsets()

    def test_every_pair_of_three_to_eight_columns_is_shown(self):
        for columns in (3, 8):
            names = [f"name {i}" for i in range(columns)]
            for place, shift in zip(self.drawn(columns, names).subfigs, (0, 1)):
                grid = np.array(place.axes).reshape(columns, columns)
                for (i, j), axes in np.ndenumerate(grid):
                    self.assertEqual(axes.axison, j <= i)
                    if j < i:
                        np.testing.assert_array_equal(self.points(axes), self.rows[:, [j, i]] + shift)
                        self.assertEqual(len(axes.collections), 1 + shift, "samples lie over the data")
                    elif i == j:
                        self.assertGreater(len(axes.patches), 0)
                self.assertEqual([axes.get_xlabel() for axes in grid[-1]], names)
                self.assertEqual([axes.get_ylabel() for axes in grid[:, 0]], names)

    def test_of_more_columns_eight_are_shown_and_the_heading_says_so(self):
        figure = self.drawn(10)
        self.assertEqual(len(figure.subfigs[0].axes), 64)
        self.assertEqual(figure.get_suptitle(), "run; columns x0 to x7 of 10")

    def test_one_and_two_columns(self):
        figure = self.drawn(2, ["length", "width"])
        self.assertEqual((figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()), ("length", "width"))
        np.testing.assert_array_equal(self.points(figure.axes[1]), self.rows[:, :2] + 1)
        self.assertEqual(self.drawn(1, ["length"]).axes[1].get_xlabel(), "length")

    def test_axes_reach_to_a_prior_elsewhere(self):
        near = self.drawn(2, prior=self.rows).axes[0].get_xlim()
        self.assertEqual(near, self.drawn(2).axes[0].get_xlim())
        low, high = self.drawn(2, prior=self.rows - 6).axes[0].get_xlim()
        self.assertEqual(high, near[1])
        self.assertLess(low, -6)
        self.assertGreater(self.drawn(2, prior=self.rows - 600).axes[0].get_xlim()[0], -20)

    def test_a_histogram_has_the_density_of_all_values(self):
        axes = plt.subplots()[1]
        galleries.histogram(axes, np.array([0.1, 0.2, 0.6, 9]), np.array([0, 0.5, 1]), "b")
        self.assertEqual(list(axes.patches[-1].get_xy()[1:5:2, 1]), [1.0, 0.5])


if __name__ == "__main__":
    unittest.main()
