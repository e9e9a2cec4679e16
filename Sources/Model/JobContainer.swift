/// What a job's steps run in, or what serves them, as the workflow says. Texts are templates, which the agent evaluates.
package struct JobContainer: Equatable, Sendable {
    package var image: String
    package var environment: [Template]
    /// `source:target` or `source:target:ro`, the source within the workspace; or a target alone.
    package var volumes: [String]
    /// `8080:80`, `80`, with `/udp` behind.
    package var ports: [String]
    /// Words for the engine: see `ContainerOptions`.
    package var options: String?
    /// Of a service: instead of the image's own.
    package var entrypoint: String?
    package var command: String?
    /// Whom the image's registry gives it to; `nil`: whoever owns the agent may have logged in there.
    package var credentials: Credentials?

    /// A name and a password, templates like the others: agents alone know what they come to.
    package struct Credentials: Equatable, Sendable {
        package var username: String
        package var password: String
        package init(username: String, password: String) {
            self.username = username
            self.password = password
        }
    }

    package init(
        image: String, environment: [Template] = [], volumes: [String] = [], ports: [String] = [],
        options: String? = nil, entrypoint: String? = nil, command: String? = nil,
        credentials: Credentials? = nil
    ) {
        self.credentials = credentials
        self.image = image
        self.environment = environment
        self.volumes = volumes
        self.ports = ports
        self.options = options
        self.entrypoint = entrypoint
        self.command = command
    }

    /// What an agent must have to run it.
    package static let label = "containers"
    /// The same where it has `options`: an engine that knows docker's.
    package static let optionsLabel = "container-options"
}

/// A container beside a job's steps, which they reach by its name: a database.
package struct JobService: Equatable, Sendable {
    package var name: String
    package var container: JobContainer

    package init(name: String, container: JobContainer) {
        self.name = name
        self.container = container
    }

    /// What an agent must have to start some: an engine that makes networks for them.
    package static let label = "services"
}

/// What `options` of a container may ask of the engine: nothing by which it could reach beyond its attempt.
package struct ContainerOptions: Equatable, Sendable {
    package struct Refusal: Error, Equatable, Sendable {
        package var problem: String
        package var help: String
    }

    /// Each one word, `--name=value` or `--name`.
    package var words: [String] = []
    /// Names of what makes no difference here.
    package var idle: [String] = []

    package static let wordsMax = 200

    /// With a value, which is passed on.
    private static let valued: Set<String> = [
        "add-host", "annotation", "cap-drop", "dns", "dns-search", "env", "health-cmd", "health-interval",
        "health-retries", "health-start-period", "health-timeout", "hostname", "label", "oom-score-adj", "shm-size",
        "stop-signal", "stop-timeout", "tmpfs", "ulimit", "user", "workdir",
    ]
    private static let flags: Set<String> = ["init", "no-healthcheck", "read-only"]
    /// The lease says how much there is of it; names, terminals and removal are the agent's own.
    private static let idleValued: Set<String> = [
        "cpus", "cpu-shares", "cpuset-cpus", "gpus", "memory", "memory-reservation", "memory-swap", "name",
        "pids-limit", "pull",
    ]
    private static let idleFlags: Set<String> = ["interactive", "rm", "tty", "detach"]
    private static let short: [Character: String] = [
        "e": "env", "h": "hostname", "l": "label", "u": "user", "w": "workdir", "m": "memory", "c": "cpu-shares",
        "i": "interactive", "t": "tty", "d": "detach",
    ]

    package init(_ text: String) throws(Refusal) {
        var rest = try Self.parts(of: text)[...]
        var refused: [String] = []
        /// All that is refused is told at once; a word behind it may be its value.
        func refuse(_ word: String) {
            refused.append(word)
            if !word.contains("="), let next = rest.first, !next.hasPrefix("-") { rest.removeFirst() }
        }
        while let word = rest.popFirst() {
            var (name, value): (String, String?)
            if word.hasPrefix("--"), word.count > 2 {
                let parts = word.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                (name, value) = (String(parts[0]), parts.count > 1 ? String(parts[1]) : nil)
            } else if word.hasPrefix("-"), let letter = word.dropFirst().first {
                guard let long = Self.short[letter] else {
                    refuse(word)
                    continue
                }
                (name, value) = (long, word.count > 2 ? String(word.dropFirst(2)) : nil)
                // `-it`
                if Self.idleFlags.contains(long), let more = value {
                    guard more.allSatisfy({ Self.short[$0].map(Self.idleFlags.contains) ?? false }) else {
                        refuse(word)
                        continue
                    }
                    value = nil
                }
            } else {
                refuse(word)
                continue
            }
            let isFlag = Self.flags.contains(name) || Self.idleFlags.contains(name)
            guard isFlag || Self.valued.contains(name) || Self.idleValued.contains(name) else {
                if value == nil { refuse("--" + name) } else { refused.append("--" + name) }
                continue
            }
            if isFlag {
                guard value == nil || value == "true" else {
                    refused.append(word)
                    continue
                }
            } else if value == nil {
                guard let next = rest.popFirst() else {
                    throw Refusal(problem: "the container's option --\(name) has no value", help: "--\(name)=…")
                }
                value = next
            }
            if Self.idleValued.contains(name) || Self.idleFlags.contains(name) {
                idle.append("--" + name)
                continue
            }
            // Without a value it would be the agent's own.
            if name == "env" || name == "label", value?.contains("=") != true {
                throw Refusal(
                    problem: "the container's option --\(name) '\(value ?? "")' gives no value",
                    help: "--\(name) NAME=VALUE")
            }
            words.append(value.map { isFlag ? "--\(name)" : "--\(name)=\($0)" } ?? "--\(name)")
        }
        if !refused.isEmpty { throw Self.refusal(of: refused) }
    }

    private static func refusal(of words: [String]) -> Refusal {
        let named = Spelling.shortened(words.map { "'\($0.prefix(100))'" }, most: 10)
        return Refusal(
            problem: words.count == 1
                ? "the container's option \(named) is not allowed here"
                : "the container's options \(named) are not allowed here",
            help: "a container reaches nothing beyond its attempt; allowed are "
                + (valued.union(flags)).sorted().map { "--" + $0 }.joined(separator: ", "))
    }

    /// Words as a shell makes them, with nothing of a shell but quotes and backslashes.
    package static func parts(of text: String) throws(Refusal) -> [String] {
        var words: [String] = []
        var word = ""
        var isWord = false
        var quote: Character?
        var isEscaped = false
        for character in text {
            if isEscaped {
                // Within double quotes a backslash stands for itself before most characters.
                if quote == "\"", character != "\"", character != "\\" { word.append("\\") }
                word.append(character)
                isEscaped = false
            } else if character == "\\", quote != "'" {
                (isEscaped, isWord) = (true, true)
            } else if let open = quote {
                if character == open { quote = nil } else { word.append(character) }
            } else if character == "'" || character == "\"" {
                (quote, isWord) = (character, true)
            } else if character.isWhitespace {
                if isWord { words.append(word) }
                (word, isWord) = ("", false)
            } else {
                word.append(character)
                isWord = true
            }
            guard words.count <= wordsMax else {
                throw Refusal(problem: "the container has more than \(wordsMax) options", help: "leave some out")
            }
        }
        guard quote == nil, !isEscaped else {
            throw Refusal(problem: "the container's options end within a quotation", help: "close it")
        }
        if isWord { words.append(word) }
        return words
    }
}

/// Where a container sees a folder.
package struct ContainerVolume: Equatable, Sendable {
    /// As the workflow says, below the workspace or absolute; `nil`: an empty one that goes with the container.
    package var source: String?
    package var target: String
    package var isReadOnly: Bool

    /// `source:target`, `source:target:ro`, `target`.
    package init(_ text: String) throws(ContainerOptions.Refusal) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        let wrong = ContainerOptions.Refusal(
            problem: "'\(text.prefix(200))' is no volume", help: "write folder:/place, folder:/place:ro or /place")
        guard (1...3).contains(parts.count), parts.allSatisfy({ !$0.isEmpty }), !text.contains("\0") else {
            throw wrong
        }
        isReadOnly = parts.count == 3
        if parts.count == 3, parts[2] != "ro" {
            guard parts[2] == "rw" else { throw wrong }
            isReadOnly = false
        }
        source = parts.count > 1 ? parts[0] : nil
        target = parts.count > 1 ? parts[1] : parts[0]
        let places = target.split(separator: "/")
        guard target.hasPrefix("/"), !places.isEmpty, !places.contains(".."), !places.contains(".") else { throw wrong }
        guard !["proc", "sys", "dev"].contains(String(places[0])) else {
            throw ContainerOptions.Refusal(
                problem: "a volume at \(target) would cover what the container's system needs",
                help: "choose another place")
        }
    }

    /// The folder of the machine that is meant; `nil` for an empty volume.
    ///
    /// - Throws: for anything outside of the workspace. What lies below it may still be a link: whoever makes the folder
    ///   must follow none.
    package func folder(inWorkspace workspace: String) throws(ContainerOptions.Refusal) -> String? {
        guard let source else { return nil }
        if source != ".", !source.contains("/") {
            throw ContainerOptions.Refusal(
                problem: "'\(source.prefix(100))' would be a volume that outlives the job",
                help: "name a folder of the workspace: ./\(source.prefix(100)):\(target)")
        }
        let path = source.hasPrefix("/") ? source : workspace + "/" + source
        var parts: [Substring] = []
        for part in path.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        let folder = "/" + parts.joined(separator: "/")
        guard folder == workspace || folder.hasPrefix(workspace + "/") else {
            throw ContainerOptions.Refusal(
                problem: "the volume '\(source.prefix(200))' lies outside of the workspace",
                help: "data that lies on the agents is offered by their owner: inputs: [{path: …, manifest: …}]")
        }
        return folder
    }
}
