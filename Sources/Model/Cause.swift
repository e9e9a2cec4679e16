/// Why an attempt ended, or why a shard ended without one; with the evidence.
package struct Cause: Hashable, Sendable, CustomStringConvertible {
    /// Raw values are the words of reports, exports and `retry: {on: […]}`.
    package enum Kind: String, CaseIterable, Sendable {
        case passed
        case userExit = "user_exit"
        case userError = "user_error"
        case timeout
        case idle
        case signal
        case oom
        case gpuOOM = "gpu_oom"
        case cancelled
        case notNeeded = "not_needed"
        case lostAgent = "lost_agent"
        case agentFault = "agent_fault"
        case gpuFault = "gpu_fault"
        case diskFull = "disk_full"
        case dataUnavailable = "data_unavailable"
        case preempted
        /// No agent took the shard within its queue timeout: it ends without an attempt.
        case queueTimeout = "queue_timeout"

        /// Whether the farm, not the user's program, is to blame: retried unless the workflow says otherwise.
        package var isInfrastructure: Bool {
            switch self {
            case .lostAgent, .agentFault, .gpuFault, .diskFull, .dataUnavailable, .preempted: true
            case .passed, .userExit, .userError, .timeout, .idle, .signal, .oom, .gpuOOM, .cancelled, .notNeeded,
                .queueTimeout:
                false
            }
        }
    }

    package var kind: Kind
    /// The exit code of `user_exit`, the number of `signal`; else `nil`.
    package var code: Int?
    /// What shows it, in a sentence: "step 'train' ended with exit code 3".
    package var evidence: String

    package init(_ kind: Kind, code: Int? = nil, evidence: String = "") {
        self.kind = kind
        self.code = code
        self.evidence = evidence
    }

    /// The label and the evidence: `user_exit (3): step 'train' ended with exit code 3`.
    package var description: String { evidence.isEmpty ? label : "\(label): \(evidence)" }

    /// The word with its number, for people: `passed`, `user_exit (75)`, `signal (9)`, `timeout`.
    package var label: String {
        switch (kind, code) {
        case (.userExit, .some(let code)), (.signal, .some(let code)): "\(kind.rawValue) (\(code))"
        default: kind.rawValue
        }
    }

    /// How `retry: {on: […]}` names this code and no other: `exit:75`, `signal:9`; `nil` for other causes.
    package var codeWord: String? {
        switch (kind, code) {
        case (.userExit, .some(let code)): "exit:\(code)"
        case (.signal, .some(let code)): "signal:\(code)"
        default: nil
        }
    }

    /// What is said of an attempt that went to the agent on which the attempt before had ended with this cause. After causes
    /// of the infrastructure the farm looks for another agent first.
    package var sameAgentAgain: String {
        kind.isInfrastructure ? "the same agent again: no other took it in time" : "the same agent again"
    }
}
