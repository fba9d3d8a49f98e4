// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Synchronization

extension Ranks {
  /// Runs `body` on rank 0 alone, and gives its value to all ranks, or throws its error on all: for decisions that
  /// depend on time, signals or files, and for whatever rank 0 alone may do.
  public func fromRoot<Value: Codable>(_ body: () throws -> Value) throws -> Value {
    if count == 1 { return try body() }
    if !isRoot { return try Outcome<Value>(coded: broadcast(Data())).get() }
    do {
      // What it calls is not shared.
      let value = try Team.with(OneRank.shared, body)
      _ = broadcast(Outcome.value(value).coded)
      return value
    } catch {
      _ = broadcast(Outcome<Value>.error(CarriedError(error)).coded)
      throw error
    }
  }

  /// The same for what gives no value.
  public func onRoot(_ body: () throws -> Void) throws {
    _ = try fromRoot {
      try body()
      return true
    }
  }

  /// A value of rank 0 that cannot fail.
  public func decided<Value: Codable>(_ body: () -> Value) -> Value {
    if count == 1 { return body() }
    do { return try fromRoot(body) } catch { preconditionFailure("a value of rank 0: \(error)") }
  }

  /// Computes numbered values, each rank some of them in parallel, and gives all ranks all of them in order.
  /// - Parameters:
  ///   - total: how many there are.
  ///   - threads: workers of this rank.
  ///   - body: what a value is by its number.
  /// - Throws: the error of the lowest number that failed, on all ranks.
  public func map<Value: Codable & Sendable>(
    _ total: Int, threads: Int, _ body: @Sendable (Int) throws -> Value
  ) throws -> [Value] {
    let own = part(of: total, rank: rank)
    let values = Mutex([Value?](repeating: nil, count: own.count))
    let failure = Mutex<Failure?>(nil)
    try Shards(rows: own.count, size: 1).forEach(threads: threads) { index, _ in
      do {
        let value = try body(own.lowerBound + index)
        values.withLock { $0[index] = value }
      } catch {
        failure.withLock { $0 = Failure.lower($0, Failure(number: own.lowerBound + index, error: error)) }
      }
    }
    let mine = values.withLock { $0.compactMap { $0 } }
    if count == 1 {
      if let failure = failure.withLock({ $0 }) { throw failure.error }
      return mine
    }
    let outcome = Outcome<[Value]>(mine, failure.withLock { $0 })
    return try collect(outcome.coded).map { try Outcome<[Value]>(coded: $0) }.joined()
  }

  /// Makes one value of what each rank has.
  public func united<Value: Codable>(_ own: Value, by unite: ([Value]) -> Value) throws -> Value {
    if count == 1 { return own }
    return unite(try collect(Outcome.value(own).coded).map { try Outcome<Value>(coded: $0).get() })
  }

  /// Throws the error of the lowest number that failed on any rank, on all of them.
  /// - Parameter failure: this rank's lowest.
  func agree(on failure: Failure?) throws {
    if count == 1 {
      if let failure { throw failure.error }
      return
    }
    _ = try collect(Outcome<[Bool]>([], failure).coded).map { try Outcome<[Bool]>(coded: $0) }.joined()
  }

  /// Gives all ranks numbers that rank 0 has; nil where it has none.
  public func numbers<Number: BitwiseCopyable>(fromRoot body: () throws -> [Number]?) throws -> [Number]? {
    if count == 1 { return try body() }
    var own: [Number]?
    let size = try fromRoot { () -> Int in
      own = try body()
      return own?.count ?? -1
    }
    guard size > 0 else { return size < 0 ? nil : [] }
    if let own, isRoot {
      own.withUnsafeBytes { broadcast(UnsafeMutableRawBufferPointer(mutating: $0), .values) }
      return own
    }
    return [Number](unsafeUninitializedCapacity: size) { memory, initialised in
      broadcast(UnsafeMutableRawBufferPointer(memory), .values)
      initialised = size
    }
  }

  /// Gives all ranks a text of each, in the order of ranks.
  public func collect(_ own: Data) -> [Data] {
    if count == 1 { return [own] }
    var sizes = [Int](repeating: 0, count: count)
    sizes[rank] = own.count
    let width = MemoryLayout<Int>.size
    sizes.withUnsafeMutableBytes { gather($0.baseAddress!, .values) { $0 * width..<($0 + 1) * width } }
    let starts = sizes.reduce(into: [0]) { $0.append($0.last! + $1) }
    var all = Data(count: starts.last!)
    all.replaceSubrange(starts[rank]..<starts[rank + 1], with: own)
    all.withUnsafeMutableBytes { memory in
      guard let base = memory.baseAddress else { return }
      gather(base, .values) { starts[$0]..<starts[$0 + 1] }
    }
    return (0..<count).map { all.subdata(in: starts[$0]..<starts[$0 + 1]) }
  }

  /// Gives all ranks the bytes of rank 0, of which only that knows how many there are.
  public func broadcast(_ own: Data) -> Data {
    var size = own.count
    withUnsafeMutableBytes(of: &size) { broadcast($0, .decision) }
    var data = isRoot ? own : Data(count: size)
    if size > 0 { data.withUnsafeMutableBytes { broadcast($0, .decision) } }
    return data
  }
}

/// An error by the number of what failed.
struct Failure: Sendable {
  let number: Int
  let error: any Error

  static func lower(_ a: Failure?, _ b: Failure) -> Failure { a.map { $0.number < b.number ? $0 : b } ?? b }
}

/// An error that goes from rank to rank.
enum CarriedError: Codable {
  case computation(ComputationError)
  case input(message: String, location: String)
  case write(path: String, reason: String)
  case other(String)

  init(_ error: any Error) {
    switch error {
    case let error as ComputationError: self = .computation(error)
    case let error as InputError: self = .input(message: error.message, location: error.location)
    case let error as WriteError: self = .write(path: error.path, reason: error.reason)
    default: self = .other("\(error)")
    }
  }

  var error: any Error {
    switch self {
    case .computation(let error): error
    case .input(let message, let location): InputError(message, at: location)
    case .write(let path, let reason): WriteError(path: path, reason: reason)
    case .other(let text): RankError(description: text)
    }
  }
}

/// What another rank failed with.
public struct RankError: Error, CustomStringConvertible, Sendable {
  /// Its words.
  public let description: String
}

/// What one rank came to.
private enum Outcome<Value: Codable>: Codable {
  case value(Value)
  case error(CarriedError)
  case failed(number: Int, CarriedError)

  init(_ value: Value, _ failure: Failure?) {
    self = failure.map { .failed(number: $0.number, CarriedError($0.error)) } ?? .value(value)
  }

  func get() throws -> Value {
    switch self {
    case .value(let value): return value
    case .error(let carried), .failed(_, let carried): throw carried.error
    }
  }

  var coded: Data {
    let encoder = JSONEncoder()
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    do { return try encoder.encode(self) } catch { preconditionFailure("a value for other ranks: \(error)") }
  }

  init(coded: Data) throws {
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    self = try decoder.decode(Self.self, from: coded)
  }
}

extension Array {
  /// The values of all ranks, one after the other.
  fileprivate func joined<Value>() throws -> [Value] where Element == Outcome<[Value]> {
    let failures = compactMap { outcome -> (number: Int, error: CarriedError)? in
      if case .failed(let number, let error) = outcome { (number, error) } else { nil }
    }
    if let lowest = failures.min(by: { $0.number < $1.number }) { throw lowest.error.error }
    return try flatMap { try $0.get() }
  }
}
