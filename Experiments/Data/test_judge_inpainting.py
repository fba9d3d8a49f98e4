# SPDX-License-Identifier: GPL-3.0-or-later
"""`make notebooks-test`, `make inpaint-judge`: what the judge of inpainting makes of samples whose law is known."""

import importlib.util
import math
import pathlib
import tempfile
import unittest

import judge_inpainting as judge
import numpy as np

HAS_SKLEARN = importlib.util.find_spec("sklearn") is not None


def problem(deviation, shift=0.0, observations=300, each=19):
    """Truths from N(m, I) for a mean m of each observation, and samples from N(m + shift, deviation² I)."""
    random = np.random.default_rng(5)
    means = 2 * random.standard_normal((observations, 64))
    truth = means + random.standard_normal(means.shape)
    # Sample i is of observation i mod their number, as in results.
    samples = np.concatenate(
        [means + shift + deviation * random.standard_normal(means.shape) for _ in range(each)])
    return samples, truth, means + random.standard_normal(means.shape)


class Inpainting(unittest.TestCase):
    def test_tails_are_those_of_chi_squared(self):
        # e^{−x/2} and (1 + x/2) e^{−x/2}; one degree is a square of a normal; a table for nine.
        for x in (0.5, 3.0, 20.0):
            self.assertAlmostEqual(judge.beyond(x, 2), math.exp(-x / 2), places=14)
            self.assertAlmostEqual(judge.beyond(x, 4), (1 + x / 2) * math.exp(-x / 2), places=14)
            self.assertAlmostEqual(judge.beyond(x, 1), math.erfc(math.sqrt(x / 2)), places=14)
        self.assertAlmostEqual(judge.beyond(16.919, 9), 0.05, places=4)
        self.assertEqual(judge.beyond(0.0, 9), 1.0)

    def test_draws_of_the_posterior_are_calibrated_and_others_are_not(self):
        self.assertGreater(judge.calibration(*problem(1.0)), 0.01)
        for wrong in (problem(0.5), problem(2.0), problem(1.0, shift=0.6)):
            self.assertLess(judge.calibration(*wrong), 1e-6)

    def test_seen_halves_do_not_count(self):
        samples, truth, reference = problem(1.0)
        seen = [j for j in range(64) if j not in judge.UNSEEN]
        changed = samples.copy()
        changed[:, seen] += 7
        self.assertEqual(judge.calibration(changed, truth, reference), judge.calibration(samples, truth, reference))

    def test_rows_are_read_from_both_kinds_of_files(self):
        values = np.arange(6.0).reshape(2, 3)
        with tempfile.TemporaryDirectory() as folder:
            stem = pathlib.Path(folder) / "truth"
            np.savetxt(f"{stem}.csv", values, delimiter=",", header="a,b,c", comments="")
            np.testing.assert_array_equal(judge.rows(stem), values)
            # The array has the digits that a table may not have.
            np.save(f"{stem}.npy", values + 1)
            np.testing.assert_array_equal(judge.rows(stem), values + 1)

    @unittest.skipUnless(HAS_SKLEARN, "scikit-learn is not here")
    def test_a_network_tells_other_rows_from_real_ones_and_equal_laws_not(self):
        random = np.random.default_rng(1)
        real, same = random.standard_normal((80, 4)), random.standard_normal((80, 4))
        groups = np.arange(80) % 20
        value, half = judge.two_samples(same, real, groups, folds=2)
        # An interval of 95 % holds ½; three of its halves are a chance of 10⁻⁸.
        self.assertLess(abs(value - 0.5), 3 * half)
        value, half = judge.two_samples(same + 3, real, groups, folds=2)
        self.assertGreater(value, 0.95)


if __name__ == "__main__":
    unittest.main()
