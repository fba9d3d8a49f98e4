// SPDX-License-Identifier: GPL-3.0-or-later

/// What mpirun, or another starter of MPI programs, says in a process's environment: Open MPI, PMI (MPICH), and PMIx
/// under Slurm's srun.
public struct RankStarter: Sendable {
  private let variables: [String: String]
  /// The processors of the machine, and those that this process may use.
  private let processors, usable: Int

  /// - Parameters:
  ///   - variables: the environment.
  ///   - processors: how many the machine has.
  ///   - usable: on how many of them this process may run.
  public init(_ variables: [String: String], processors: Int, usable: Int) {
    (self.variables, self.processors, self.usable) = (variables, processors, usable)
  }

  private func number(_ names: String...) -> Int? {
    names.lazy.compactMap { variables[$0].flatMap { Int($0) } }.first
  }

  /// Whether Slurm started this process as one of a step's, for which it speaks PMIx.
  private var isStep: Bool { number("PMIX_RANK") != nil && number("OMPI_COMM_WORLD_SIZE", "PMI_SIZE") == nil }

  /// How many ranks were started; 1 where this is no rank.
  public var count: Int {
    number("OMPI_COMM_WORLD_SIZE", "PMI_SIZE") ?? (isStep ? number("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS") ?? 1 : 1)
  }

  /// This one's number among them.
  public var rank: Int { number("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK") ?? 0 }

  /// How many of them share this machine.
  public var neighbours: Int {
    if let known = number("OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS") { return max(1, known) }
    guard variables["SLURM_STEP_ID"] != nil || isStep, let text = variables["SLURM_STEP_TASKS_PER_NODE"] else {
      return 1
    }
    let counts = Self.tasks(text)
    let node = number("SLURM_NODEID") ?? 0
    return max(1, node < counts.count && node >= 0 ? counts[node] : counts.max() ?? 1)
  }

  /// The tasks of each machine, as Slurm writes them: `2(x3),1` is 2, 2, 2, 1.
  static func tasks(_ text: String) -> [Int] {
    text.split(separator: ",").flatMap { part -> [Int] in
      let pieces = part.split(whereSeparator: { "(x)".contains($0) }).map { Int($0) }
      guard let count = pieces.first ?? nil else { return [] }
      let times = pieces.count > 1 ? pieces[1] ?? 1 : 1
      return Array(repeating: count, count: max(0, min(times, 1 << 20)))
    }
  }

  /// Whether the processors that this process may use are its own, and not shared with its neighbours.
  private var isBound: Bool {
    if number("OMPI_MCA_orte_bound_at_launch") == 1 { return true }
    let kind = variables["SLURM_CPU_BIND_TYPE"] ?? ""
    return usable < processors && !kind.isEmpty && kind != "none"
  }

  /// The threads of a rank where nobody says: the processors that it has for its own, else its share of them.
  public var threads: Int {
    guard count > 1 else { return processors }
    let own = isBound ? usable : max(1, min(usable, processors) / neighbours)
    return max(1, min(own, number("SLURM_CPUS_PER_TASK") ?? own))
  }
}
