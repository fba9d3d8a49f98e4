# SPDX-License-Identifier: GPL-3.0-or-later
"""`make notebooks-test`: results.py, judging.py and render.py on folders that are made here."""

import pathlib
import tempfile
import unittest
import unittest.mock

import numpy as np
import pandas as pd

import judging
import render
import results
import yaml

OLD = """experiment,process,solver,kind,count,steps,nfe,nfe_max,seconds,sliced_wasserstein,mmd
a,vp,em-10,euler-maruyama,4,10,11,11,0.1,0.5,-0.001
a,vp,em-100,euler-maruyama,4,100,101,101,0.9,0.1,
"""
NEW = """experiment,process,solver,kind,count,steps,nfe,nfe_max,seconds,seed,overrides,sliced_wasserstein,\
sliced_wasserstein_low,sliced_wasserstein_high,recall,recall_low,recall_high
b,ve,em-10,euler-maruyama,4,10,11,11,0.1,7,seed=7 sampling.count=4,0.5,0.4,0.6,0.2,0.1,0.3
b,ve,em-30,euler-maruyama,4,30,31,31,0.2,7,seed=7 sampling.count=4,0.12,0.1,0.14,0.9,0.8,0.95
b,ve,em-100,euler-maruyama,4,100,101,101,0.9,7,seed=7 sampling.count=4,0.11,0.09,0.13,0.92,0.85,0.97
b,ve,ode,probability-flow,4,20,300,310,2.0,7,seed=7 sampling.count=4,0.3,0.28,0.32,0.5,0.4,0.6
"""
SWEEP = """run,process.beta_max,seed,experiment,process,solver,kind,count,steps,nfe,nfe_max,repeat,mmd,mmd_low,mmd_high
001,10,1,s,vp,em,euler-maruyama,4,10,11,11,all,0.2,0.1,0.3
001,10,1,s,vp,em,euler-maruyama,4,10,11,11,1,9,8,10
002,10,2,s,vp,em,euler-maruyama,4,10,11,11,all,0.4,0.3,0.5
003,20,1,s,vp,em,euler-maruyama,4,10,11,11,all,0.1,0.0,0.2
003,20,1,s,vp,,,,,,,all,,,
004,20,2,s,vp,em,euler-maruyama,4,10,11,11,all,0.1,0.0,0.2
"""


def fill(root, files):
    for name, content in files.items():
        path = pathlib.Path(root) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, content) if isinstance(content, np.ndarray) else path.write_text(content)


class Folder(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.root = place.name
        fill(
            self.root,
            {
                "a/solvers.csv": OLD,
                "a/config.yaml": "name: a\nseed: 3\ndata: {kind: digits}\nprocess: {kind: vp}\n",
                "a/samples/em-10.csv": "x0,x1\n1,2\n3,4\n5,6\n",
                "a/training.csv": "step,loss,seconds\n1,0.5,0.1\n2,nan,0.2\n",
                "deep/er/b/solvers.csv": NEW,
                "deep/er/b/config.yaml": "name: b\nseed: 7\ndata: {kind: digits}\nprocess: {kind: ve}\n",
                "deep/er/b/held_out.npy": np.arange(6.0).reshape(3, 2),
                "deep/er/b/evaluation.csv": "experiment,solver,metric,class,repeat,value,low,high,data,data_low,"
                "data_high,count,held_out,better\nb,em-10,sliced-wasserstein,,all,0.5,0.4,0.6,0.05,0.04,0.06,4,4,lower\n",
                "s/sweep.csv": SWEEP,
                "s/runs/001/solvers.csv": OLD,
                ".models/x/solvers.csv": NEW,
                "Notebooks/runs/c/solvers.csv": NEW,
                "Benchmarks/times.csv": "a\n1\n",
            },
        )
        self.found = results.load(self.root)

    def test_one_table_of_all_runs_however_deep_and_old(self):
        table = self.found.solvers
        self.assertEqual([r.name for r in self.found], ["a", "deep/er/b", "s/runs/001"])
        self.assertEqual([r.name for r in self.found.alone], ["a", "deep/er/b"])
        self.assertEqual(list(table["run"]), ["a"] * 2 + ["deep/er/b"] * 4 + ["s/runs/001"] * 2)
        self.assertEqual(list(table["seed"])[:6], [3, 3, 7, 7, 7, 7])
        self.assertEqual(list(table["overrides"])[:6:5], ["", "seed=7 sampling.count=4"])
        self.assertEqual(judging.metrics(table), ["sliced_wasserstein", "mmd", "recall"])
        self.assertEqual(list(table["method"]), ["em"] * 5 + ["ode", "em", "em"])
        self.assertEqual(self.found.problems, [])

    def test_runs_by_name(self):
        self.assertEqual(self.found.run("b").name, "deep/er/b")
        self.assertEqual(self.found.run("a").config["seed"], 3)
        with self.assertRaisesRegex(KeyError, "there are: a, deep/er/b"):
            self.found.run("c")
        # A folder that is itself a run.
        self.assertEqual(len(results.load(f"{self.root}/a").run("a").solvers), 2)

    def test_rows_of_text_and_numpy(self):
        run = self.found.run("a")
        np.testing.assert_array_equal(run.samples("em-10", most=2), [[1, 2], [3, 4]])
        self.assertIsNone(run.samples("em-100"))
        self.assertIsNone(run.data)
        self.assertEqual(run.image, (8, 8, 1))
        np.testing.assert_array_equal(self.found.run("b").data, [[0, 1], [2, 3], [4, 5]])
        self.assertTrue(np.isnan(run.training["loss"].iloc[1]))
        self.assertEqual(len(self.found.training), 2)

    def test_columns_have_the_names_of_the_datas_file(self):
        rows = np.zeros((2, 3))
        table = pathlib.Path(self.root) / "flowers.csv"

        def names(text, **data):
            table.write_text(text)
            data = {"kind": "csv", "path": str(table), "header": "auto", **data}
            fill(self.root, {"c/held_out.npy": rows, "c/config.yaml": yaml.safe_dump({"data": data})})
            return results.Run(f"{self.root}/c", "c", []).names

        self.assertEqual(names("a;b;c\n1;2;3\n"), ["a", "b", "c"])
        self.assertEqual(names("a,b,c,d,e\n1,2,3,4,5\n", drop=["b"], label="e"), ["a", "c", "d"])
        self.assertEqual(names("a,b,c,d\n1,2,3,4\n", columns=["d", "a", "b"]), ["d", "a", "b"])
        # What does not fit is not guessed.
        for text, more in (
            ("a,b\n1,2\n", {}),
            ("a,b,c,d\n1,2,3,4\n", {"drop": [3]}),
            ("1,2,3\n4,5,6\n", {}),
            ("a,b,c\n4,5,6\n", {"header": False}),
            ("a,b,c\n1,2,3\n", {"path": "/none"}),
            ("a,b,c\n1,2,3\n", {"columns": [0, 1, 2]}),
            ("", {}),
        ):
            self.assertEqual(names(text, **more), ["x0", "x1", "x2"], text)

    def test_level_of_real_data(self):
        self.assertEqual(self.found.run("b").floor("sliced_wasserstein"), (0.05, 0.04, 0.06))
        self.assertTrue(np.isnan(self.found.run("a").floor("sliced_wasserstein")).all())

    def test_sweeps(self):
        sweep = self.found.by_sweep["s"]
        self.assertEqual((sweep.keys, sweep.seeds, sweep.metrics), (["process.beta_max"], 2, ["mmd"]))
        self.assertEqual(list(sweep.table["solver"]), ["em"] * 3 + ["(model)", "em"], "single repeats are left out")
        means = sweep.means("mmd", ["process.beta_max"]).set_index("process.beta_max")
        np.testing.assert_allclose(means.loc[10], [0.3, 0.2, 0.4])  # mean, lowest and highest seed
        self.assertEqual(sweep.best("mmd")["process.beta_max"].iloc[0], 20)
        self.assertEqual(set(self.found.sweeps["sweep"]), {"s"})

    def test_what_cannot_be_read_is_named_and_left_out(self):
        fill(
            self.root,
            {
                "bad/solvers.csv": 'a,b\n"1,2\n',
                "bad/config.yaml": "a: [1",
                "odd/solvers.csv": "x\n1\n",
                "empty/solvers.csv": "",
                "bad/samples/em.csv": "x0\nhello\n",
            },
        )
        found = results.load(self.root)
        self.assertEqual(len(found.solvers), 8)
        self.assertIsNone(found.run("bad").samples("em"))
        self.assertEqual(found.run("bad").config, {})
        words = "\n".join(found.problems)
        for name in (
            "bad/solvers.csv",
            "bad/config.yaml",
            "odd/solvers.csv: no column",
            "empty/solvers.csv",
            "samples/em",
        ):
            self.assertIn(name, words)

    def test_a_folder_that_is_not_there_is_empty(self):
        found = results.load(f"{self.root}/none")
        self.assertEqual((len(found), len(found.solvers), len(found.sweeps)), (0, 0, 0))
        self.assertFalse(any(render.serves(found, n) for n in render.NOTEBOOKS))

    def test_which_notebooks_have_something_to_show(self):
        served = [n for n in render.NOTEBOOKS if render.serves(self.found, n)]
        self.assertEqual(served, ["first-look", "compare-solvers", "compare-sdes", "sweeps"])

    def test_the_program_that_is_missing_is_a_sentence(self):
        with self.assertRaises(results.Unavailable), unittest.mock.patch.dict("os.environ", SCORE_SDE_PROGRAM="/none"):
            self.found.run("a").score(np.zeros((1, 64)), 0.5)


class Judging(unittest.TestCase):
    def setUp(self):
        with tempfile.TemporaryDirectory() as folder:
            fill(folder, {"b/solvers.csv": NEW})
            self.table = results.load(folder).solvers

    def test_overlapping_intervals_are_no_difference(self):
        self.assertEqual(list(judging.tied(self.table, "sliced_wasserstein")), [False, True, True, False])
        self.assertEqual(list(judging.tied(self.table, "recall")), [False, True, True, False])
        bare = self.table.drop(columns=["sliced_wasserstein_low", "sliced_wasserstein_high"])
        self.assertEqual(list(judging.tied(bare, "sliced_wasserstein")), [False, False, True, False])

    def test_the_cheapest_of_the_best_is_recommended(self):
        found = judging.recommend(self.table, "sliced_wasserstein").set_index("evaluations at most")
        self.assertEqual(list(found["use"]), ["em-10", "em-30", "em-30", "em-30"])
        self.assertEqual(list(found.index), [10, 50, 100, 1000])
        self.assertEqual(found["best"].iloc[-1], "em-100")

    def test_pareto_front(self):
        self.assertEqual(
            list(judging.front(self.table, "nfe", "sliced_wasserstein")["solver"]), ["em-10", "em-30", "em-100"]
        )
        self.assertEqual(list(judging.front(self.table, "nfe", "recall")["solver"]), ["em-10", "em-30", "em-100"])

    def test_verdicts(self):
        pair = self.table.iloc[[0, 1]]
        self.assertEqual(judging.verdict(pair, "sliced_wasserstein", "first", "second"), "second")
        self.assertEqual(judging.verdict(pair, "recall", "first", "second"), "second")
        self.assertEqual(judging.verdict(self.table.iloc[[1, 2]], "recall", "first", "second"), "cannot be told apart")

    def test_standing_among_several(self):
        swapped = self.table.iloc[[3, 1, 2]]  # 0.3, 0.12, 0.11; only the first is told from the others
        self.assertEqual(judging.standing(swapped, "sliced_wasserstein", 0), "worse than all")
        self.assertEqual(judging.standing(swapped, "recall", 0), "worse than all")
        self.assertEqual(judging.standing(swapped, "sliced_wasserstein", 1), "not told from all")
        self.assertEqual(judging.standing(self.table.iloc[[0, 3, 1]], "sliced_wasserstein", 1), "between")
        self.assertEqual(judging.standing(self.table.iloc[[0, 1]], "sliced_wasserstein", 1), "better than all")
        bare = swapped.drop(columns=["sliced_wasserstein_low", "sliced_wasserstein_high"])
        self.assertEqual(judging.standing(bare, "sliced_wasserstein", 0), "worse than all (no intervals)")
        self.assertEqual(judging.standing(self.table.assign(recall=np.nan), "recall", 0), "")

    def test_measured_orders(self):
        nfe = np.array([10.0, 20, 40])
        two = pd.DataFrame({"method": "b", "nfe": nfe, "e": 7 * nfe**-2})
        half = pd.DataFrame({"method": "a", "nfe": nfe, "e": 3 * nfe**-0.5})
        single = pd.DataFrame({"method": ["c"], "nfe": [10.0], "e": [1.0]})
        found = judging.orders(pd.concat([two, single, half]), "nfe", "e")
        self.assertEqual(found.to_numpy().tolist(), [["b", "2.00"], ["a", "0.50"]])

    def test_shares_cover_the_truth(self):
        # At p = 0.2 and n = 500 the exact coverage, a sum over binomial weights, is 0.950. 4,000 draws, three errors.
        counts = np.random.default_rng(1).binomial(500, 0.2, 4000)
        covered = np.mean([low <= 0.2 <= high for _, low, high in (judging.share(k, 500) for k in counts)])
        self.assertAlmostEqual(covered, 0.950, delta=3 * (0.950 * 0.050 / 4000) ** 0.5)

    def test_density_of_a_mixture(self):
        # N(0, 4 I) in two dimensions at 0 and at (2, 0): 1/(8π), and that times e^(−1/2).
        data = {"kind": "gaussian-mixture", "weights": [1, 3], "means": [[0, 0], [0, 0]], "deviations": [2, 2]}
        found = judging.mixture_log_density(data, np.array([[0.0, 0], [2, 0]]))
        np.testing.assert_allclose(found, [-np.log(8 * np.pi), -np.log(8 * np.pi) - 0.5], rtol=1e-12)
        with_matrix = {**data, "covariances": [[[4, 0], [0, 4]]] * 2}
        np.testing.assert_allclose(
            judging.mixture_log_density(with_matrix, np.array([[2.0, 0]])), found[1:], rtol=1e-12
        )
        self.assertIsNone(judging.mixture_log_density({"kind": "digits"}, np.zeros((1, 2))))

    def test_numbers_as_text(self):
        self.assertEqual(judging.estimate(self.table.iloc[1], "sliced_wasserstein"), "0.12 (0.1 to 0.14)")
        self.assertEqual(judging.estimate(pd.Series({"m": 0.5}), "m"), "0.5")
        self.assertEqual(judging.estimate(pd.Series({"m": np.nan}), "m"), "")


class Shipped(unittest.TestCase):
    def test_every_notebook_has_small_runs_no_outputs_and_80_lines_of_code(self):
        import nbformat

        small = yaml.safe_load((render.HERE / "small.yaml").read_text())
        self.assertEqual({n for e in small.values() for n in e["for"]}, set(render.NOTEBOOKS))
        self.assertEqual({p.stem for p in render.HERE.glob("*.ipynb")}, set(render.NOTEBOOKS))
        for entry in small.values():
            self.assertTrue((render.HERE / entry["config"]).is_file(), entry["config"])
        for notebook in render.NOTEBOOKS:
            cells = [c for c in nbformat.read(render.HERE / f"{notebook}.ipynb", 4).cells if c.cell_type == "code"]
            self.assertFalse(any(c.outputs or c.execution_count for c in cells), notebook)
            self.assertLessEqual(sum(len(c.source.splitlines()) for c in cells), 80, notebook)

    def test_no_two_series_look_alike(self):
        import plots

        looks = plots.styles(range(77)).values()
        self.assertEqual(len({(s["color"], s["marker"]) for s in looks}), 77)


if __name__ == "__main__":
    unittest.main()
