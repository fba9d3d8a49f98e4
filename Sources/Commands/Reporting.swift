// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Core
import Experiments

/// Runs a command's body; an error becomes one line on standard error and an exit code: 2 for wrong input, 1 for a run
/// that failed after it had begun, 128 + the signal's number for one that a signal stopped.
public func reportingErrors(_ body: () throws -> Void) throws {
  func report(_ text: String) { Commands.report("score-sde: \(text.inOneLine)") }
  let scope = StopSignals.Scope()
  defer { withExtendedLifetime(scope) {} }
  do {
    try body()
  } catch let error as InputError {
    report(error.description)
    throw ExitCode(2)
  } catch let error as WarningsAsErrors {
    for line in error.lines { report("\(line) (an error by --strict)") }
    throw ExitCode(2)
  } catch let failure as ExperimentFailure {
    if Team.current.isRoot { print(failure.summary) }
    for reason in failure.reasons { report(reason) }
    throw ExitCode(StopSignals.received.map { 128 + $0 } ?? 1)
  } catch let error as ComputationError {
    report(error.description)
    throw ExitCode(StopSignals.received.map { 128 + $0 } ?? 1)
  } catch {
    report("\(error)")
    throw ExitCode(1)
  }
}

/// A line on standard error.
func report(_ text: String) { StandardStreams.report("\(text)\n") }
