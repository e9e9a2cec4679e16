import JSON
import Masking
import Model

/// The secrets that an agent's owner lets its steps read, by `${{ secrets.NAME }}`. They stay in this process: the farm is
/// told their names, as labels.
package struct HeldSecrets: Sendable {
    /// The context `secrets`.
    let members: [Value.Member]
    /// What is taken out of all that attempts give away.
    let masks: Secrets
    /// Values that are so short that much else is hidden with them.
    package let remarks: [String]

    package static let none = HeldSecrets(members: [], masks: Secrets(), remarks: [])

    private init(members: [Value.Member], masks: Secrets, remarks: [String]) {
        self.members = members
        self.masks = masks
        self.remarks = remarks
    }

    package var labels: [String] { members.map { SecretName.label(of: $0.key) } }

    /// What `github.token` is.
    var token: Value? { members.first { $0.key.uppercased() == SecretName.token }?.value }

    /// Reads a file of secrets: a JSON object of texts, or lines `NAME=value`, where a value is all that follows on its line
    /// and lines that begin with `#` say nothing.
    ///
    /// - Throws: a sentence without the values.
    package init(file text: String) throws(Mistake) {
        let pairs = text.first { !$0.isWhitespace } == "{" ? try Self.object(text) : try Self.lines(text)
        var seen: Set<String> = []
        var remarks: [String] = []
        for (name, _, place) in pairs {
            guard SecretName.isLegal(name) else {
                throw Mistake(
                    "\(place): '\(name.prefix(100))' is no name of a secret: letters, digits and _, no digit first")
            }
            guard seen.insert(name.uppercased()).inserted else { throw Mistake("\(place): '\(name)' stands twice") }
        }
        var masks = Secrets()
        for ((name, _, place), addition) in zip(pairs, masks.add(pairs.map { Array($0.value.utf8) })) {
            switch addition {
            case .added: break
            case .addedThoughShort:
                remarks.append("the secret '\(name)' is so short that much else is hidden with it")
            // What expressions read as empty must not be.
            case .ignored: throw Mistake("\(place): '\(name)' is empty, or nothing that could be hidden")
            case .refused(let limit): throw Mistake("\(place): '\(name)' goes beyond the limit of \(limit)")
            }
        }
        self.init(
            members: pairs.map { Value.Member($0.name, .string($0.value)) }, masks: masks, remarks: remarks)
    }

    package struct Mistake: Error, CustomStringConvertible {
        package let description: String
        init(_ description: String) { self.description = description }
    }

    private typealias Pair = (name: String, value: String, place: String)

    private static func object(_ text: String) throws(Mistake) -> [Pair] {
        let members: [Value.Member]
        do {
            guard let found = try JSONParser.value(text, repeatedKeys: .keepAll, depthMax: 4).members else {
                throw Mistake("it is no JSON object")
            }
            members = found
        } catch let mistake as Mistake {
            throw mistake
        } catch {
            // The parser's own words may hold a part of a value.
            throw Mistake("it begins like JSON, and is none")
        }
        var pairs: [Pair] = []
        for member in members {
            guard let value = member.value.string else { throw Mistake("'\(member.key.prefix(100))' is no text") }
            pairs.append((member.key, value, "in the object"))
        }
        return pairs
    }

    private static func lines(_ text: String) throws(Mistake) -> [Pair] {
        var pairs: [Pair] = []
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            guard line.contains(where: { !$0.isWhitespace }), !line.hasPrefix("#") else { continue }
            let place = "line \(index + 1)"
            guard let mark = line.firstIndex(of: "=") else {
                throw Mistake("\(place): it is not NAME=value; a value of several lines needs a JSON object")
            }
            let value = line[line.index(after: mark)...]
            if let quote = value.first, quote == "\"" || quote == "'", value.count > 1, value.last == quote {
                throw Mistake("\(place): the value stands in quotes, which would be part of it: leave them out")
            }
            pairs.append((String(line[..<mark]), String(value), place))
        }
        return pairs
    }
}
