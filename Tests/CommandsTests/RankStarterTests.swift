// SPDX-License-Identifier: GPL-3.0-or-later
import Commands
import Testing

@Suite("Starters of ranks") struct RankStarterTests {
  private func starter(_ variables: [String: String], usable: Int = 16) -> RankStarter {
    RankStarter(variables, processors: 16, usable: usable)
  }

  @Test("a process that nobody started as a rank is one, with all processors") func alone() {
    let alone = starter(["SLURM_NTASKS": "4", "SLURM_CPUS_PER_TASK": "2"], usable: 4)
    #expect(alone.count == 1 && alone.rank == 0 && alone.threads == 16)
  }

  @Test("ranks of Open MPI share the processors that they may use, and have those that they are bound to")
  func openMPI() {
    let variables = ["OMPI_COMM_WORLD_SIZE": "8", "OMPI_COMM_WORLD_RANK": "5", "OMPI_COMM_WORLD_LOCAL_SIZE": "4"]
    #expect(starter(variables).count == 8 && starter(variables).rank == 5 && starter(variables).threads == 4)
    // All of them within taskset.
    #expect(starter(variables, usable: 8).threads == 2 && starter(variables, usable: 2).threads == 1)
    // mpirun -n 2 binds to a core each.
    let bound = variables.merging(["OMPI_MCA_orte_bound_at_launch": "1"]) { $1 }
    #expect(starter(bound, usable: 1).threads == 1 && starter(bound, usable: 3).threads == 3)
  }

  @Test("ranks of srun share a machine by the step's tasks on it", arguments: [(0, 8), (1, 8), (2, 8), (3, 16)])
  func slurm(_ node: Int, _ threads: Int) {
    var variables = [
      "PMIX_RANK": "6", "SLURM_STEP_NUM_TASKS": "7", "SLURM_NTASKS": "9", "SLURM_STEP_TASKS_PER_NODE": "2(x3),1",
      "SLURM_NODEID": "\(node)",
    ]
    #expect(starter(variables).count == 7 && starter(variables).rank == 6)
    #expect(starter(variables).neighbours == (node < 3 ? 2 : 1) && starter(variables).threads == threads)
    variables["SLURM_CPUS_PER_TASK"] = "3"
    #expect(starter(variables).threads == 3)
    // Slurm has bound each task to four processors, or has bound none of the job's eight.
    variables["SLURM_CPUS_PER_TASK"] = nil
    variables["SLURM_CPU_BIND_TYPE"] = "mask_cpu:"
    #expect(starter(variables, usable: 4).threads == 4 && starter(variables).threads == threads)
    variables["SLURM_CPU_BIND_TYPE"] = "none"
    #expect(starter(variables, usable: 8).threads == (node < 3 ? 4 : 8))
  }

  @Test("what a starter says that is no number is nothing", arguments: ["", "x", "(x", "2(x", "0", "-3(x9)"])
  func strange(_ text: String) {
    let variables = [
      "PMIX_RANK": "0", "SLURM_NTASKS": "2", "SLURM_STEP_TASKS_PER_NODE": text, "SLURM_CPUS_PER_TASK": text,
    ]
    #expect(starter(variables).neighbours >= 1 && starter(variables).threads >= 1)
  }
}
