# SPDX-License-Identifier: GPL-3.0-or-later
"""`make notebooks-test`: exact posteriors and what is measured against them."""

import pathlib
import tempfile
import unittest

import numpy as np
import posteriors
import runs
import yaml
from matplotlib import pyplot as plt

LAW = posteriors.Mixture([1, 3], [[-1, 0], [1, 0.5]], [[[0.3, 0.1], [0.1, 0.2]], [[0.1, 0], [0, 0.4]]])


class Posteriors(unittest.TestCase):
    def test_density_is_that_of_bayes_rule(self):
        a, noise, y = np.array([[1.0, 1.0], [0.5, -1.0]]), np.diag([0.2, 0.1]), np.array([0.4, -0.1])
        law = posteriors.given(LAW, a, noise, y)

        def density(mixture, points):
            total = 0
            for w, m, c in zip(mixture.weights, mixture.means, mixture.covariances):
                away = points - m
                square = np.einsum("ni,ij,nj->n", away, np.linalg.inv(c), away)
                total = total + w * np.exp(-0.5 * square) / np.sqrt(np.linalg.det(2 * np.pi * c))
            return total

        # Sums over a fine grid of a smooth function that vanishes at its ends are exact up to rounding.
        side = np.linspace(-5, 5, 401)
        points = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
        away = y - points @ a.T
        product = density(LAW, points) * np.exp(-0.5 * np.einsum("ni,ij,nj->n", away, np.linalg.inv(noise), away))
        expected = product / product.sum() / (side[1] - side[0]) ** 2
        np.testing.assert_allclose(density(law, points), expected, atol=1e-10)

    def test_ranks_of_draws_are_uniform_and_those_of_others_are_not(self):
        random = np.random.default_rng(3)
        a, deviation, count, each = np.array([[1.0, 1.0]]), 0.5, 400, 21
        truths = LAW.draw(count, 1)
        ys = truths @ a.T + deviation * random.standard_normal((count, 1))
        laws = [posteriors.given(LAW, a, deviation**2 * np.eye(1), y) for y in ys]
        draws = np.stack([law.draw(each, 10 + k) for k, law in enumerate(laws)], axis=1).reshape(-1, 2)
        found = posteriors.ranks(draws, truths)
        self.assertEqual(found.shape, (count, 2))
        for j in range(2):
            self.assertGreater(posteriors.uniformity(found[:, j], each)[1], 0.01)
        # Half as wide as they should be: the truth lies outside too often.
        middle = np.stack([law.weights @ law.means for law in laws])
        narrow = np.tile(middle, (each, 1)) + 0.5 * (draws - np.tile(middle, (each, 1)))
        for j in range(2):
            self.assertLess(posteriors.uniformity(posteriors.ranks(narrow, truths)[:, j], each)[1], 1e-4)

    def test_chance_of_chi_square(self):
        # Tables: 5 % and 1 % points.
        for x, degrees, chance in ((3.841, 1, 0.05), (5.991, 2, 0.05), (18.307, 10, 0.05), (24.725, 11, 0.01)):
            self.assertAlmostEqual(posteriors.chi_square_beyond(x, degrees), chance, 4)
        self.assertEqual(posteriors.chi_square_beyond(0, 3), 1)

    def test_shares_of_modes(self):
        law = posteriors.Mixture([1, 4], [[-5, 0], [5, 0]], [np.eye(2)] * 2)
        for k, (value, low, high) in enumerate(posteriors.modes(law.draw(4000, 2), law)):
            self.assertTrue(low < law.weights[k] < high and low < value < high)

    def test_of_a_run(self):
        with tempfile.TemporaryDirectory() as folder:
            place = pathlib.Path(folder)
            data = {"kind": "gaussian-mixture", "weights": [1, 1], "means": [[0, 0], [1, 1]], "deviations": [1, 2]}
            seen = {"operator": {"kind": "matrix", "values": [[1, 0]]}, "noise": {"kind": "gaussian", "deviation": 1}}
            config = {"data": data, "sampling": {"observation": seen}}
            (place / "config.yaml").write_text(yaml.safe_dump(config))
            self.assertIsNone(posteriors.of(runs.Run(folder, "r", [])), "no observations")
            (place / "observations.csv").write_text("y1\n0.5\n2\n")
            laws = posteriors.of(runs.Run(folder, "r", []))
            self.assertEqual(len(laws), 2)
            # N(0, 1) seen as y with noise of variance 1: N(y/2, 1/2), and N(0, 1) beside it.
            np.testing.assert_allclose(laws[0].means[0], [0.25, 0])
            np.testing.assert_allclose(laws[0].covariances[0], [[0.5, 0], [0, 1]])
            np.testing.assert_allclose(posteriors.unseen(runs.Run(folder, "r", [])), [0, 1])
            # A run that is none of a mixture, and one without an observation.
            for other in ({"data": {"kind": "digits"}, "sampling": {"observation": seen}}, {"data": data}):
                (place / "config.yaml").write_text(yaml.safe_dump(other))
                self.assertIsNone(posteriors.of(runs.Run(folder, "r", [])))

    def test_histograms_have_a_panel_for_each_coordinate(self):
        self.addCleanup(plt.close, "all")
        found = {"a": np.zeros((30, 2), int), "b": np.arange(60).reshape(30, 2) % 11}
        figure = posteriors.histograms(found, ["x0", "x1"], 10)
        self.assertEqual(len(figure.axes), 4)
        self.assertEqual(len(figure.axes[0].patches), 12, "eleven bars and the band")


if __name__ == "__main__":
    unittest.main()
