// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Synchronization

/// The eigenvalues of B Bᵀ = U Λ Uᵀ, block by block: rows of B that see no value in common, even by way of others, are
/// in different blocks. Of masks, crops, averages of patches and sums of channels every block is a single row or a few,
/// and equal blocks share their eigenvectors.
///
/// Its square roots are B's singular values; Bᵀ u/√λ are the directions in the space of the data that belong to them.
struct BlockSpectrum: Sendable {
  /// λ, in the order of rotated values.
  let values: [Double]
  /// Rows of B, block after block: rotated values stand in this order.
  private let members: [Int]
  private let blocks: [Block]
  private let vectors: [Matrix]
  /// How many rows hang together at most.
  var largestBlock: Int { blocks.map(\.range.count).max() ?? 0 }

  private struct Block: Sendable {
    /// Where its rows stand among the members.
    let range: Range<Int>
    /// Which eigenvectors it has; nil for a single row.
    let vectors: Int?
  }

  /// nil where a block has more rows than `largestBlock`.
  init?(_ matrix: SparseMatrix, largestBlock: Int) {
    let groups = Self.groups(matrix)
    if let largest = groups.map(\.count).max(), largest > largestBlock { return nil }
    var (values, members, blocks, vectors) = ([Double](), [Int](), [Block](), [Matrix]())
    var known: [[Double]: (values: [Double], index: Int)] = [:]
    for group in groups {
      let range = members.count..<members.count + group.count
      members += group
      let product = Self.product(matrix, group)
      guard group.count > 1 else {
        values.append(product.values[0])
        blocks.append(Block(range: range, vectors: nil))
        continue
      }
      if known[product.values] == nil {
        let eigen = product.symmetricEigen
        // Rounding may leave an eigenvalue of 0 a little below it.
        known[product.values] = (eigen.values.map { max(0, $0) }, vectors.count)
        vectors.append(eigen.vectors)
      }
      let own = known[product.values]!
      values += own.values
      blocks.append(Block(range: range, vectors: own.index))
    }
    (self.values, self.members, self.blocks, self.vectors) = (values, members, blocks, vectors)
  }

  /// The rows of B, in groups that share columns.
  private static func groups(_ matrix: SparseMatrix) -> [[Int]] {
    var parents = Array(0..<matrix.rows)
    func root(_ i: Int) -> Int {
      var i = i
      while parents[i] != i {
        parents[i] = parents[parents[i]]
        i = parents[i]
      }
      return i
    }
    var first = [Int](repeating: -1, count: matrix.columns)
    for i in 0..<matrix.rows {
      for (column, _) in matrix.row(i) {
        if first[column] < 0 { first[column] = i } else { parents[root(i)] = root(first[column]) }
      }
    }
    var (places, groups) = ([Int: Int](), [[Int]]())
    for i in 0..<matrix.rows {
      let top = root(i)
      if let place = places[top] {
        groups[place].append(i)
      } else {
        places[top] = groups.count
        groups.append([i])
      }
    }
    return groups
  }

  /// B Bᵀ of some rows.
  private static func product(_ matrix: SparseMatrix, _ rows: [Int]) -> Matrix {
    var product = Matrix(rows: rows.count, columns: rows.count)
    var byColumn: [Int: [(place: Int, value: Double)]] = [:]
    for (place, row) in rows.enumerated() {
      for (column, value) in matrix.row(row) { byColumn[column, default: []].append((place, value)) }
    }
    for column in byColumn.keys.sorted() {
      for a in byColumn[column]! { for b in byColumn[column]! { product[a.place, b.place] += a.value * b.value } }
    }
    return product
  }

  // MARK: Rotations

  /// Writes Uᵀ y of every row, in the order of `values`.
  func rotate(_ y: Rows, into out: Rows) {
    forEachBlock(y.count) { row, block, vectors in
      let (source, target) = (y.values + row * y.dimension, out.values + row * y.dimension)
      let n = block.range.count
      for e in 0..<n {
        var sum = 0.0
        for i in 0..<n { sum += vectors[i * n + e] * source[members[block.range.lowerBound + i]] }
        target[block.range.lowerBound + e] = sum
      }
    } single: { row, place in
      out.values[row * y.dimension + place] = y.values[row * y.dimension + members[place]]
    }
  }

  /// Writes U c of every row, for c in the order of `values`.
  func rotateBack(_ c: Rows, into out: Rows) {
    forEachBlock(c.count) { row, block, vectors in
      let (source, target) = (c.values + row * c.dimension, out.values + row * c.dimension)
      let n = block.range.count
      for i in 0..<n {
        var sum = 0.0
        for e in 0..<n { sum += vectors[i * n + e] * source[block.range.lowerBound + e] }
        target[members[block.range.lowerBound + i]] = sum
      }
    } single: { row, place in
      out.values[row * c.dimension + members[place]] = c.values[row * c.dimension + place]
    }
  }

  private func forEachBlock(
    _ rows: Int, _ body: (_ row: Int, _ block: Block, _ vectors: UnsafeBufferPointer<Double>) -> Void,
    single: (_ row: Int, _ place: Int) -> Void
  ) {
    for block in blocks {
      guard let index = block.vectors else {
        for row in 0..<rows { single(row, block.range.lowerBound) }
        continue
      }
      vectors[index].values.withUnsafeBufferPointer { vectors in for row in 0..<rows { body(row, block, vectors) } }
    }
  }
}

/// Keeps the eigenvalues of a matrix for all workers.
final class SpectrumStore: Sendable {
  private let kept = Mutex<BlockSpectrum?>(nil)

  /// nil where a block has more rows than `largestBlock`.
  func spectrum(of matrix: SparseMatrix, largestBlock: Int) -> BlockSpectrum? {
    kept.withLock { kept in
      if let kept { return kept.largestBlock <= largestBlock ? kept : nil }
      kept = BlockSpectrum(matrix, largestBlock: largestBlock)
      return kept
    }
  }
}

extension LinearObservation {
  /// The eigenvalues of B Bᵀ, B = L⁻¹ A; nil where more rows than `largestBlock` hang together.
  func spectrum(largestBlock: Int) -> BlockSpectrum? { spectra.spectrum(of: white, largestBlock: largestBlock) }
}
