/// A group of agents, with whose code they take. Only admins say who belongs where and what a pool takes: no agent can
/// change it, and no run.
package struct Pool: Hashable, Sendable {
    /// Where agents are that nobody has put elsewhere. It takes no strangers' code until an admin says so.
    package static let standard = Pool(name: "default", allowsUntrusted: false)

    /// As `Principal.isName` has it.
    package var name: String
    /// Its agents take untrusted runs, too: see `Plan.untrusted`.
    package var allowsUntrusted: Bool

    package init(name: String, allowsUntrusted: Bool) {
        self.name = name
        self.allowsUntrusted = allowsUntrusted
    }
}
