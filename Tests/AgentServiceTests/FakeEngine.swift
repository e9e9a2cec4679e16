import Foundation
import Glibc

@testable import AgentService

/// An engine whose containers are processes of this machine, for machines that cannot start any: it takes podman's words,
/// writes down each call, and keeps what it was told in a folder.
final class FakeEngine: Sendable {
    let folder: String

    /// `run` starts the words behind the image; an image with `absent` in its name is nowhere. `exec` runs its words here.
    private static let script = #"""
        #!/bin/sh
        state=$(dirname "$0")
        echo "$*" >>"$state/calls"
        for last; do :; done
        case "$1" in
        network)
          case "$2" in
          create)
            [ ! -e "$state/no-networks" ] || { echo "no bridges here" >&2; exit 125; }
            echo '[{"subnets": [{"subnet": "10.7.3.0/24", "gateway": "10.7.3.1"}]}]' >"$state/net-$last" ;;
          inspect) cat "$state/net-$3" 2>/dev/null || exit 125 ;;
          rm) rm -f "$state/net-$last" ;;
          ls) ls "$state" | sed -n 's/^net-//p' ;;
          esac ;;
        run)
          [ -z "$REGISTRY_AUTH_FILE" ] || cat "$REGISTRY_AUTH_FILE" >"$state/login" || exit 1
          shift 2
          health=null ports= sep= free=40000
          while :; do
            case "$1" in
            --name=*) box=$state/box-${1#--name=} ;;
            --health-cmd=*) health="{\"Test\": [\"CMD-SHELL\", \"${1#*=}\"], \"Interval\": 10000000, \"Retries\": 3}" ;;
            --publish=*)
              rest=${1#--publish=127.0.0.1:} machine=${rest%%:*} free=$((free + 1))
              ports="$ports$sep\"${rest#*:}\": [{\"HostIp\": \"127.0.0.1\", \"HostPort\": \"${machine:-$free}\"}]" sep=, ;;
            --*) ;;
            *) break ;;
            esac
            shift
          done
          case "$1" in *absent*) echo "Error: manifest unknown" >&2; exit 125 ;; esac
          shift
          mkdir "$box"
          (
            setsid sh -c 'echo $$ >"$0/new"; mv "$0/new" "$0/pid"; exec "$@"' "$box" "$@" >"$box/log" 2>&1 </dev/null
            echo $? >"$box/exit"
          ) >/dev/null 2>&1 </dev/null &
          while [ ! -e "$box/pid" ]; do sleep 0.01; done
          echo "{\"Healthcheck\": $health}" >"$box/config"
          echo "{$ports}" >"$box/ports" ;;
        container)
          box=$state/box-$3
          [ -d "$box" ] || { echo "no such container" >&2; exit 125; }
          pid=$(cat "$box/pid") code=0
          if [ -e "$box/exit" ]; then pid=0 code=$(cat "$box/exit"); fi
          echo "[{\"Id\": \"id-$3\", \"Image\": \"sha\", \"State\": {\"Pid\": $pid, \"ExitCode\": $code},"
          echo "\"Config\": $(cat "$box/config"), \"NetworkSettings\": {\"Ports\": $(cat "$box/ports")}}]" ;;
        exec) shift 2; exec "$@" ;;
        logs) tail -n 100 "$state/box-$3/log" ;;
        rm)
          for name; do
            [ -d "$state/box-$name" ] || continue
            kill -9 $(cat "$state/box-$name/pid") 2>/dev/null
            rm -r "$state/box-$name"
          done ;;
        ps) ls "$state" | sed -n 's/^box-//p' ;;
        esac
        """#

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "sheaf-engine-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Data(Self.script.utf8).write(to: URL(filePath: folder + "/engine"))
        chmod(folder + "/engine", 0o755)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    var engine: ContainerEngine {
        ContainerEngine(
            kind: .podman, path: folder + "/engine", environment: ["PATH=/usr/local/bin:/usr/bin:/bin"],
            owner: "sheaf-fake")
    }

    var calls: [String] {
        ((try? Files.read(folder + "/calls", bytesMax: 1 << 20)) ?? []).split(separator: 10).map {
            String(decoding: $0, as: UTF8.self)
        }
    }

    /// Containers and networks that there are.
    var left: [String] { Files.names(in: folder).filter { $0.hasPrefix("box-") || $0.hasPrefix("net-") } }
}
