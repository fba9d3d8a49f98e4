// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Models
import Networks
import Pairs
import Testing
import Training

/// What an objective of few steps is given, and the loss and gradient that a script in Python found for it. The scripts
/// read inputs that a test writes where the environment variable FEW_STEP_INPUTS names a folder.
struct FewStepFixture: Codable {
  var name: String
  var second: Bool
  var prediction: String
  var step: Int
  /// Tensors by name, in the layout's order.
  var parameters: [[Float]]
  var shapes: [[Int]]
  var frequencies: [Float]
  /// Those of the weight of the loss, where it is learned.
  var weightFrequencies: [Float]?
  var data: [Float]
  var noise, uniforms, times: [Double]
  /// Of a network with a companion: the noise between two steps, and that of the samples that both denoisers see.
  var renewed, matched: [Double]?
  var loss: Double?
  var gradient: [[Double]]?

  static let rows = 24

  /// The folder of fixtures and scripts.
  static var folder: URL {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(path: "FewStep")
  }

  static func network(second: Bool, divergence: Bool = false) -> MLP {
    MLP(
      dimension: 2, hidden: [7, 6], features: TimeFeatures(.fourier, count: 6, scale: 0.05, seed: 1), second: second,
      divergence: divergence)
  }

  /// Inputs at times between two.
  init(_ name: String, _ network: any Network, _ prediction: Prediction, step: Int, from end: Double, to start: Double)
  {
    let normals = NoiseStream(seed: 9, purpose: .weights).normals(count: 1, dimension: network.layout.count).values
    let values = pairs(network.initialParameters(seed: 1), normals).map { $0 + Float(0.3 * $1) }
    (parameters, shapes) = ([], [])
    (self.name, self.prediction, self.step) = (name, prediction.rawValue, step)
    var plain = network
    while let wrapper = plain as? any NetworkWrapper { plain = wrapper.inner }
    (second, frequencies) = (network.takesSecond, (plain as? MLP)?.features.frequencies ?? [])
    weightFrequencies = (network as? WeightedNetwork)?.features.frequencies
    let rows = Self.rows
    data = NoiseStream(seed: 4, purpose: .data).normals(count: rows, dimension: 2).values.map { Float($0) }
    noise = NoiseStream(seed: 2, purpose: .trainingNoise).normals(count: rows, dimension: 2, step: step).values
    uniforms =
      NoiseStream(seed: 2, purpose: Purpose(rawValue: 33)).uniforms(count: rows, dimension: 4, step: step).values
    if network is CompanionNetwork {
      func normals(_ purpose: UInt8, _ step: Int) -> [Double] {
        NoiseStream(seed: 2, purpose: Purpose(rawValue: purpose)).normals(count: rows, dimension: 2, step: step).values
      }
      (renewed, matched) = (normals(35, 2 * step + 1), normals(36, step))
    }
    times = (0..<rows).map { end + (start - end) * (Double($0) + 0.5) / Double(rows) }
    network.layout.forEachTensor(of: values) { part, values in
      parameters.append(values)
      shapes.append(part.shape)
    }
  }

  /// Writes the inputs where they are asked for.
  func writeIfAsked() throws -> Bool {
    guard let path = ProcessInfo.processInfo.environment["FEW_STEP_INPUTS"] else { return false }
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    try encoder.encode(self).write(to: URL(fileURLWithPath: "\(path)/\(name).json"))
    return true
  }

  /// Holds an objective's loss and gradient beside the known ones, to 1e-5: floats here, doubles there.
  /// - Parameter objective: of a model with these parameters.
  func compare(_ known: FewStepFixture, _ objective: any Objective) throws {
    #expect(known.data == data && known.parameters == parameters && known.times == times)
    let parameters = parameters.flatMap { $0 }
    let run = ObjectiveRun(objective, parameters: parameters, data: data, times: times)
    let (loss, gradient) = (run.take(step: step), run.gradient)
    let expected = try #require(known.gradient).flatMap { $0 }
    let size = expected.reduce(0) { $0 + $1 * $1 }.squareRoot()
    let wanted = try #require(known.loss)
    #expect(abs(loss - wanted) < 1e-5 * abs(wanted), "\(loss), \(wanted)")
    #expect(size > 1e-3)
    for (a, b) in pairs(gradient, expected) { #expect(abs(Double(a) - b) < 1e-5 * size, "\(a), \(b), \(size)") }
  }
}
