// SPDX-License-Identifier: GPL-3.0-or-later

// The whole library under one name.
@_exported import Core
@_exported import Datasets
@_exported import Evaluation
@_exported import Experiments
@_exported import Models
@_exported import Networks
@_exported import Plots
@_exported import Processes
@_exported import Scores
@_exported import Solvers
@_exported import Tensors
@_exported import Training
