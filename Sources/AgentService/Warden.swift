import CLinux
import Glibc

/// Ends what an agent that may make no chambers has left running when it is killed.
///
/// A small process that waits for the agent's end of a pipe to close, as the first of a chamber does. It finds the agent's
/// attempts by their cgroups and by the mark in their environment; what shed both is found by nobody but the machine's
/// owner, which is why an agent had better be root.
final class Warden: Sendable {
    private let lifeline: CInt

    private static let script = #"""
        read -r nothing
        tries=0
        while [ $tries -lt 200 ]; do
            found=$(grep -alz "^$MARK_NAME=.*-$INCARNATION\$" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3)
            for folder in "$@"; do
                for group in "$folder"/*-"$INCARNATION"; do
                    [ -d "$group" ] || continue
                    [ -w "$group/cgroup.kill" ] && echo 1 >"$group/cgroup.kill"
                    [ -w "$group/freezer.state" ] && echo THAWED >"$group/freezer.state"
                    found="$found $(cat "$group/cgroup.procs" 2>/dev/null)"
                done
            done
            alive=
            for pid in $found; do
                case $(sed 's/.*) //; s/ .*//' "/proc/$pid/stat" 2>/dev/null) in
                ''|Z|X) ;;
                *) alive=1; kill -KILL "$pid" 2>/dev/null ;;
                esac
            done
            [ -n "$alive" ] || exit 0
            tries=$((tries + 1))
            sleep 0.05
        done
        """#

    /// - Parameter incarnation: ends the names of this life's groups and marks.
    init(incarnation: String, groups: [String]) throws(AgentError) {
        var ends: [CInt] = [-1, -1]
        let answer = unsafe clinux_pipe(&ends, 4096)
        guard answer == 0 else { throw .system("make a pipe", -answer) }
        let null = unsafe open("/dev/null", O_WRONLY | O_CLOEXEC)
        defer { for raw in [ends[0], null] { close(raw) } }
        lifeline = ends[1]
        // Collected by whoever collects orphans: it ends after the agent.
        let born = try Births.spawn(
            Program(
                path: "/bin/sh", arguments: ["sheaf-warden", "-c", Self.script, "sheaf-warden"] + groups,
                environment: [
                    "PATH=/usr/bin:/bin", "MARK_NAME=\(Enclosure.markName)", "INCARNATION=\(incarnation)",
                ], directory: "/"), input: ends[0], output: null, error: null)
        close(born.pidfd)
    }

    deinit { close(lifeline) }
}
