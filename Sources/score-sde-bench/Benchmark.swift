// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Datasets
import Evaluation
import Foundation
import Models
import Networks
import Processes
import Scores
import Solvers
import Tensors
import Training

/// A repetition of some work, and how many units it has.
struct Benchmark {
  let units: Int
  /// How far the result is from what it should be, where peers say it too: the root mean square over values, and the
  /// largest distance of a row.
  var errors: (mean: Double, largest: Double)?
  let run: () throws -> Void

  static let names =
    [
      "train-128", "train-256", "sample-128", "mixture-em", "mixture-flow", "mixture-flow-accuracy", "normals",
      "mixture-score",
      "matrix-product", "unet-text-forward",
    ] + unets.flatMap { ["unet-\($0.name)-forward", "unet-\($0.name)-train"] }
    + metrics.map { "metrics-\($0.name)" } + ["metrics"] + posteriors.keys.sorted() + fewSteps

  /// What a U-Net's case is to be other than usual.
  struct Size {
    var threads: Int?
    var batch: Int?
  }

  static func make(_ name: String, _ size: Size) throws -> Benchmark? {
    switch name {
    case "train-128": try train(hidden: 128, batch: 512, steps: 300)
    case "train-256": try train(hidden: 256, batch: 1024, steps: 100)
    case "sample-128": try sample()
    case "mixture-em": try mixtureEulerMaruyama()
    case "mixture-flow": try mixtureFlow(tolerance: 1e-5)
    case "mixture-flow-accuracy": try mixtureFlow(tolerance: 5e-5)
    case "normals": normals()
    case "mixture-score": try mixtureScore()
    case "matrix-product": matrixProduct()
    case "matrix-product-2048": try largeMatrixProduct(threads: size.threads ?? Shards.processors)
    case "unet-text-forward": try contextForward(threads: size.threads ?? Shards.processors)
    case "metrics": metrics(all: metrics.map(\.metric), size)
    case _ where fewSteps.contains(name): try fewStep(name)
    default:
      if let (method, network) = posteriors[name] {
        try posterior(method, network, threads: size.threads ?? Shards.processors)
      } else if let metric = metrics.first(where: { name == "metrics-\($0.name)" }) {
        metrics(all: [metric.metric], size)
      } else if let unet = unets.first(where: { name == "unet-\($0.name)-forward" }) {
        try unetForward(unet, size)
      } else if let unet = unets.first(where: { name == "unet-\($0.name)-train" }) {
        try unetTrain(unet, size)
      } else {
        nil
      }
    }
  }

  /// The metrics that are timed beside their peers, on 10,000 rows of 64 values.
  private static let metrics: [(name: String, metric: any Metric)] = [
    ("sliced", SlicedWasserstein()), ("energy", EnergyDistance()), ("mmd", MaximumMeanDiscrepancy()),
    ("kid", KernelDistance()), ("ks", KolmogorovSmirnov()), ("frechet", FrechetDistance()),
    ("wasserstein", Wasserstein()), ("sinkhorn", SinkhornDivergence()),
  ]

  /// Metrics with their intervals: standard normal rows, and rows whose first value is larger by 0.3. `--batch` is the
  /// number of rows.
  private static func metrics(all: [any Metric], _ size: Size) -> Benchmark {
    let count = size.batch ?? 10_000
    var samples = NoiseStream(seed: 1, purpose: .data).normals(count: count, dimension: 64)
    let heldOut = NoiseStream(seed: 2, purpose: .data).normals(count: count, dimension: 64)
    for i in 0..<count { samples[i, 0] += 0.3 }
    return Benchmark(units: 1) {
      let comparison = Comparison(
        samples: samples, heldOut: heldOut, seed: 1, threads: size.threads ?? Shards.processors)
      for metric in all { _ = try metric.estimate(comparison) }
    }
  }

  /// The networks that are timed beside PyTorch's, and their batches.
  static let unets: [(name: String, architecture: UNetArchitecture, batch: Int)] = {
    var small = UNetArchitecture(
      height: 8, width: 8, channels: 1, widths: [32, 64], blocks: 1, attention: [4], resampling: .convolution)
    small.time = .positional(flipped: true, shift: 0)
    let mid = UNetArchitecture(
      height: 32, width: 32, channels: 3, widths: [64, 128, 128], blocks: 2, attention: [16], resampling: .convolution)
    var cifar = UNetArchitecture(
      height: 32, width: 32, channels: 3, widths: [128, 256, 256, 256], blocks: 2, attention: [16],
      resampling: .convolution)
    cifar.downPadding = 0
    return [("small", small, 64), ("mid", mid, 16), ("cifar10", cifar, 4)]
  }()

  private static func score(_ architecture: UNetArchitecture) throws -> ScoreModel {
    let network = try UNet(architecture)
    let process = VPSDE()
    return ScoreModel(
      network, parameters: network.initialParameters(seed: 1), prediction: .noise,
      kernel: process.makeKernel(), duration: 1)
  }

  /// The network's output for a batch, each row with its own noise level.
  private static func unetForward(
    _ unet: (name: String, architecture: UNetArchitecture, batch: Int), _ wanted: Size
  ) throws -> Benchmark {
    let model = try score(unet.architecture)
    let score = model.score()
    let batch = wanted.batch ?? unet.batch
    let threads = wanted.threads ?? Shards.processors
    let images = NoiseStream(seed: 1, purpose: .data).normals(count: batch, dimension: model.network.dimension)
    let times = (0..<batch).map { (Double($0) + 0.5) / Double(batch) }
    let size = min(score.shardRows, (batch + 1) / 2)
    let repetitions = unet.name == "small" ? 50 : 5
    return Benchmark(units: repetitions) {
      for _ in 0..<repetitions {
        var x = images
        try x.forEachShard(of: size, threads: threads) { x in
          try RowStorage.with(x.span, count: 1) { s in
            try times.withUnsafeBufferPointer {
              try score.makeEvaluator(for: x.span).evaluate(x, at: .each($0.baseAddress! + x.first), into: s[0])
            }
          }
        }
      }
    }
  }

  /// One step of Adam with clipping, and without averaging to speak of.
  private static func unetTrain(
    _ unet: (name: String, architecture: UNetArchitecture, batch: Int), _ wanted: Size
  ) throws -> Benchmark {
    let batch = wanted.batch ?? unet.batch
    let model = try score(unet.architecture)
    let images = NoiseStream(seed: 1, purpose: .data).normals(count: batch, dimension: model.network.dimension)
    let steps = unet.name == "small" ? 50 : 5
    let plan = TrainingPlan(
      steps: .max / 2, batch: batch, learningRate: 2e-4, decay: .constant, clip: 1, ema: 0)
    let trainer = Trainer(
      denoising(model, plan), data: RowSource(images), plan: plan, seed: 1,
      threads: wanted.threads ?? Shards.processors)
    // One long training: a repetition lets it take some steps, on a thread of its own, and waits for them.
    let training = LongTraining(trainer)
    return Benchmark(units: steps) { try training.take(steps) }
  }

  private static func denoising(_ model: ScoreModel, _ plan: TrainingPlan) -> DenoisingScoreMatching {
    DenoisingScoreMatching(
      model, process: PreparedProcess(VPSDE()),
      times: TrainingTimes(plan, kernel: model.kernel, duration: model.duration))
  }

  private static func network(hidden: Int) -> ScoreModel {
    let network = MLP(
      dimension: 2, hidden: [hidden, hidden, hidden],
      features: TimeFeatures(.sinusoidal, count: 64, scale: 1, seed: 1))
    let process = VPSDE()
    return ScoreModel(
      network, parameters: network.initialParameters(seed: 1), prediction: .noise,
      kernel: process.makeKernel(), duration: 1)
  }

  /// One optimiser step of a plane score network; Adam without clipping or averaging to speak of.
  private static func train(hidden: Int, batch: Int, steps: Int) throws -> Benchmark {
    let data = try PlaneData(.twoMoons, noise: 0.05).load(seed: 1).training
    let plan = TrainingPlan(steps: steps, batch: batch, decay: .constant, clip: 0, ema: 0)
    let trainer = Trainer(denoising(network(hidden: hidden), plan), data: RowSource(data), plan: plan, seed: 1)
    let initial = trainer.initialState()
    return Benchmark(units: steps) {
      var state = initial
      try trainer.run(&state)
    }
  }

  /// 100 Euler–Maruyama steps for 10,000 rows with that network.
  private static func sample() throws -> Benchmark {
    let sampler = Sampler(process: VPSDE(), score: network(hidden: 128).score(), dimension: 2, seed: 1)
    return Benchmark(units: 1) {
      _ = try sampler.draw(10_000, with: FixedSteps(EulerMaruyama(), steps: 100), denoise: false)
    }
  }

  private static func ring() throws -> GaussianMixture {
    let means = (0..<8).map { (k: Int) -> [Double] in
      let angle = Double(k) * Double.pi / 4
      return [4 * cos(angle), 4 * sin(angle)]
    }
    return try GaussianMixture(
      weights: Array(repeating: 1, count: 8), means: means,
      deviations: Array(repeating: 0.5, count: 8))
  }

  /// 1,000 Euler–Maruyama steps for 10,000 rows under the exact score of eight Gaussians.
  private static func mixtureEulerMaruyama() throws -> Benchmark {
    let process = VPSDE()
    let sampler = Sampler(process: process, score: try ring().score(under: process), dimension: 2, seed: 1)
    return Benchmark(units: 1) {
      _ = try sampler.draw(10_000, with: FixedSteps(EulerMaruyama(), steps: 1000), denoise: false)
    }
  }

  /// The probability flow of 10,000 rows from T to ε under the same score. Errors are against rk8pd at 1e-12; with
  /// rtol = atol = 5e-5 both are still below those of the peers at 1e-5.
  private static func mixtureFlow(tolerance: Double) throws -> Benchmark {
    let process = VPSDE()
    let sampler = Sampler(process: process, score: try ring().score(under: process), dimension: 2, seed: 1)
    func draw(_ flow: ProbabilityFlow) throws -> Batch { try sampler.draw(10_000, with: flow, denoise: false).batch }
    let flow = ProbabilityFlow(.rkck, rtol: tolerance, atol: tolerance)
    let (drawn, exact) = (try draw(flow), try draw(ProbabilityFlow(.rk8pd, rtol: 1e-12, atol: 1e-12)))
    let squares = (0..<drawn.count).map { i in
      zip(drawn.row(i), exact.row(i)).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    }
    let mean = squares.reduce(0, +) / Double(drawn.values.count)
    return Benchmark(units: 1, errors: (mean.squareRoot(), squares.max()!.squareRoot())) { _ = try draw(flow) }
  }

  /// A standard normal, one thread.
  private static func normals() -> Benchmark {
    let storage = RowStorage(RowSpan(first: 0, count: 256, dimension: 64))
    let stream = NoiseStream(seed: 1, purpose: .predictor)
    return Benchmark(units: 1000 * storage.rows.size) {
      for step in 0..<1000 { stream.normals(into: storage.rows, step: step) }
    }
  }

  /// The exact score of a row, one thread.
  private static func mixtureScore() throws -> Benchmark {
    let span = RowSpan(first: 0, count: 256, dimension: 2)
    let (x, s) = (RowStorage(span), RowStorage(span))
    NoiseStream(seed: 1, purpose: .prior).normals(into: x.rows, step: 0)
    let evaluator = try ring().score(under: VPSDE()).makeEvaluator(for: span)
    return Benchmark(units: 10_000 * 256) {
      for _ in 0..<10_000 { try evaluator.evaluate(x.rows, at: .all(0.5), into: s.rows) }
    }
  }

  /// A floating-point operation of a 256 × 256 × 256 product, one thread.
  private static func matrixProduct() -> Benchmark {
    let n = 256
    let a = [Float](repeating: 1, count: n * n)
    var c = a
    return Benchmark(units: 1000 * 2 * n * n * n) {
      ck_enter_worker()
      for _ in 0..<1000 { ck_matrix_product(0, 1, n, n, n, a, n, a, n, 0, &c, n) }
    }
  }

  /// A floating-point operation of 2048 × 2048 × 2048 products, one on every thread.
  private static func largeMatrixProduct(threads: Int) throws -> Benchmark {
    let n = 2048
    let a = [Float](repeating: 1, count: n * n)
    let results = (0..<threads).map { _ in UnsafeMutablePointer<Float>.allocate(capacity: n * n) }.map(
      SharedMemory.init)
    return Benchmark(units: threads * 2 * n * n * n) {
      try Shards(rows: threads, size: 1).forEach(threads: threads) { index, _ in
        ck_matrix_product(0, 0, n, n, n, a, n, a, n, 0, results[index].pointer, n)
      }
    }
  }
}

/// A training that goes on for as long as somebody asks for more steps.
private final class LongTraining: Sendable {
  private let wanted = DispatchSemaphore(value: 0)
  private let taken = DispatchSemaphore(value: 0)

  init(_ trainer: Trainer) {
    Thread.detachNewThread { [wanted, taken] in
      wanted.wait()
      var state = trainer.initialState()
      try? trainer.run(&state) { _ in
        taken.signal()
        wanted.wait()
        return true
      }
    }
  }

  func take(_ steps: Int) throws {
    for _ in 0..<steps {
      wanted.signal()
      taken.wait()
    }
  }
}
