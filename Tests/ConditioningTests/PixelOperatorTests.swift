// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Glibc
import Pairs
import Testing

@Suite("Operators on images") struct PixelOperatorTests {
  private static let grid = PixelGrid(height: 6, width: 4, channels: 3)

  private static func apply(_ a: SparseMatrix, _ x: Batch) -> Batch {
    var (x, y) = (x, Batch(count: x.count, dimension: a.rows))
    x.withRows { x in y.withRows { a.multiply(x, into: $0) } }
    return y
  }

  /// ⟨A x, v⟩ = ⟨x, Aᵀ v⟩
  private static func checkAdjoint(_ a: SparseMatrix) {
    let (x, v) = (someRows(3, a.columns), someRows(3, a.rows, step: 1))
    let y = apply(a, x)
    var (pulled, w) = (x, v)
    w.withRows { w in pulled.withRows { a.multiplyTransposed(w, into: $0) } }
    for row in 0..<3 {
      let left = pairs(y.row(row), v.row(row)).reduce(0) { $0 + $1.0 * $1.1 }
      let right = pairs(x.row(row), pulled.row(row)).reduce(0) { $0 + $1.0 * $1.1 }
      // Sums of up to 72 products of numbers below 1.
      #expect(abs(left - right) < 1e-13)
    }
  }

  @Test("averaging is the mean of blocks, channel by channel") func averaging() {
    let (grid, x) = (Self.grid, someRows(2, Self.grid.count))
    let a = SparseMatrix.averaging(grid, factor: 2)
    let y = Self.apply(a, x)
    #expect(y.dimension == 3 * 2 * 3)
    for row in 0..<2 {
      for i in 0..<3 {
        for j in 0..<2 {
          for c in 0..<3 {
            var sum = 0.0
            for (dy, dx) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
              sum += x[row, ((2 * i + dy) * 4 + 2 * j + dx) * 3 + c]
            }
            #expect(abs(y[row, (i * 2 + j) * 3 + c] - sum / 4) < 1e-15)
          }
        }
      }
    }
    Self.checkAdjoint(a)
  }

  /// Where a pixel beyond the border is read from, written out for an image 4 wide.
  private static let beyond: [(Edges, [Int?])] = [
    (.reflect, [2, 1, 0, 1, 2, 3, 2, 1]), (.replicate, [0, 0, 0, 1, 2, 3, 3, 3]),
    (.circular, [2, 3, 0, 1, 2, 3, 0, 1]),
    (.zero, [nil, nil, 0, 1, 2, 3, nil, nil]),
  ]

  @Test("a blur is a weighted sum of the pixels around, with each kind of border", arguments: 0..<4)
  func blur(kind: Int) {
    let (edges, places) = Self.beyond[kind]
    let grid = PixelGrid(height: 4, width: 4, channels: 2)
    let weights = [0.1, 0.2, 0.4, 0.25, 0.05]
    let a = SparseMatrix.blurring(grid, weights: weights, edges: edges)
    let x = someRows(1, grid.count)
    let y = Self.apply(a, x)
    for i in 0..<4 {
      for j in 0..<4 {
        for c in 0..<2 {
          var sum = 0.0
          for p in 0..<5 {
            for q in 0..<5 {
              guard let v = places[i + p], let u = places[j + q] else { continue }
              sum += weights[p] * weights[q] * x[0, (v * 4 + u) * 2 + c]
            }
          }
          #expect(abs(y[0, (i * 4 + j) * 2 + c] - sum) < 1e-15)
        }
      }
    }
    Self.checkAdjoint(a)
  }

  @Test("a valid blur sees the pixels whose surroundings are all there") func valid() {
    let grid = PixelGrid(height: 5, width: 4, channels: 1)
    let weights = [0.2, 0.5, 0.3]
    let a = SparseMatrix.blurring(grid, weights: weights, edges: .valid)
    #expect(a.rows == 3 * 2 && grid.blurred(reach: 1, .valid) == PixelGrid(height: 3, width: 2, channels: 1))
    let x = someRows(1, 20)
    let y = Self.apply(a, x)
    for i in 0..<3 {
      for j in 0..<2 {
        var sum = 0.0
        for p in 0..<3 { for q in 0..<3 { sum += weights[p] * weights[q] * x[0, (i + p) * 4 + j + q] } }
        #expect(abs(y[0, i * 2 + j] - sum) < 1e-15)
      }
    }
    Self.checkAdjoint(a)
  }

  @Test("Gaussian weights have the sum 1 and fall as a Gaussian does") func weights() {
    let weights = SparseMatrix.gaussianWeights(deviation: 1.3, size: 7)
    #expect(abs(weights.reduce(0, +) - 1) < 1e-15)
    for a in 1...3 {
      #expect(
        abs(weights[3 + a] / weights[3] - exp(-0.5 * Double(a * a) / 1.69)) < 1e-15 && weights[3 - a] == weights[3 + a])
    }
    // A blur whose weights have the sum 1 leaves a flat image as it is, unless zeros lie around it.
    for edges in Edges.allCases {
      let a = SparseMatrix.blurring(PixelGrid(height: 9, width: 8, channels: 1), weights: weights, edges: edges)
      let sums = (0..<a.rows).map { a.row($0).reduce(0) { $0 + $1.value } }
      #expect(sums.allSatisfy { abs($0 - 1) < 1e-14 } == (edges != .zero), "\(edges)")
    }
  }

  @Test("gray mixes the channels of each pixel, boxes have theirs in order") func channels() {
    let (grid, x) = (Self.grid, someRows(2, Self.grid.count))
    let a = SparseMatrix.mixingChannels(grid, weights: [0.299, 0.587, 0.114])
    let y = Self.apply(a, x)
    for row in 0..<2 {
      for p in 0..<24 {
        let sum = 0.299 * x[row, 3 * p] + 0.587 * x[row, 3 * p + 1] + 0.114 * x[row, 3 * p + 2]
        #expect(abs(y[row, p] - sum) < 1e-15)
      }
    }
    Self.checkAdjoint(a)
    #expect(
      grid.indices(of: PixelGrid.Box(top: 1, left: 2, height: 2, width: 1)) == [18, 19, 20, 30, 31, 32])
    for (box, isInside) in [
      ((0, 0, 6, 4), true), ((5, 3, 1, 1), true), ((0, 0, 7, 4), false), ((1, 0, 6, 4), false), ((0, 4, 1, 1), false),
      ((0, 0, 0, 1), false), ((-1, 0, 2, 2), false), ((0, 1, 1, .max), false),
    ] as [((Int, Int, Int, Int), Bool)] {
      #expect(
        grid.contains(PixelGrid.Box(top: box.0, left: box.1, height: box.2, width: box.3)) == isInside, "\(box)")
    }
  }

  @Test("one operator after the other is the product, and a map that is not linear goes back through both")
  func composition() {
    let grid = Self.grid
    let first = SparseMatrix.blurring(grid, weights: [0.25, 0.5, 0.25], edges: .reflect)
    let second = SparseMatrix.averaging(grid, factor: 2)
    let x = someRows(2, grid.count)
    let composed = ComposedMap(first, second)
    let product = composed.matrix
    let (steps, once) = (Self.apply(second, Self.apply(first, x)), product.map { Self.apply($0, x) })
    #expect(pairs(steps.values, once?.values ?? []).allSatisfy { abs($0 - $1) < 1e-15 })
    let curved = ComposedMap(SparseMatrix(Matrix([[1, 0.5, 0], [0, 1, -1], [2, 0, 0.3]])), CurvedMap(dimension: 3))
    #expect(curved.matrix == nil && curved.dimension == 3 && curved.observedDimension == 2)
    var evaluated = Evaluated(NonlinearObservation.of(curved, 0.6), someRows(3, 3), someRows(3, 2, step: 2))
    evaluated.checkDerivatives(within: 1e-8)
  }

  @Test("formulas of x: values and exact derivatives, alone and after a matrix") func formulas() throws {
    let map = try FormulaMap(["x1^2 + a*x2", "sin(x3)*x1", "exp(-norm(x))"], dimension: 3, parameters: ["a": 0.5])
    var evaluated = Evaluated(NonlinearObservation.of(map, 0.7), someRows(5, 3), someRows(5, 3, step: 3))
    let expected = evaluated.expected()
    for row in 0..<5 {
      let x = Array(evaluated.x.row(row))
      let norm = (x[0] * x[0] + x[1] * x[1] + x[2] * x[2]).squareRoot()
      let own = [x[0] * x[0] + 0.5 * x[1], sin(x[2]) * x[0], exp(-norm)]
      #expect(pairs(expected.row(row), own).allSatisfy { abs($0 - $1) < 1e-15 })
    }
    evaluated.checkDerivatives(within: 1e-8)
    let after = ComposedMap(SparseMatrix(Matrix([[1, 0.5, 0, 1], [0, 1, -1, 0], [2, 0, 0.3, -1]])), map)
    var composed = Evaluated(NonlinearObservation.of(after, 0.7), someRows(4, 4), someRows(4, 3, step: 3))
    composed.checkDerivatives(within: 1e-7)
    #expect(throws: InputError.self) { try FormulaMap(["3"], dimension: 2) }
    #expect(throws: InputError.self) { try FormulaMap(["x1", "x4"], dimension: 3) }
  }
}

extension NonlinearObservation {
  static func of(_ map: any ForwardMap, _ deviation: Double) -> NonlinearObservation {
    guard let model = try? NonlinearObservation(map, noise: .deviation(deviation)) else {
      preconditionFailure("noise above 0")
    }
    return model
  }
}
