import Model

/// How rows are read.
extension SQLiteStore {
    func rows<Row: Sendable>(
        _ sql: String, _ parameters: [Parameter], _ row: (borrowing Statement) -> Row
    ) throws(StorageError) -> [Row] {
        try read { (database) throws(StorageError) in
            let statement = try database.prepare(sql)
            statement.bind(parameters)
            var rows: [Row] = []
            while try statement.step() { rows.append(row(statement)) }
            return rows
        }
    }

    static let noDigest: Digest = {
        guard let digest = Digest([UInt8](repeating: 0, count: Digest.byteCount)) else {
            preconditionFailure("32 bytes make a digest")
        }
        return digest
    }()

    /// Reads `cause, code, evidence`. An unknown word can only come from a damaged row: a fault of the farm then.
    static func cause(_ row: borrowing Statement, from column: CInt) -> Cause {
        Cause(
            Cause.Kind(rawValue: row.text(column)) ?? .agentFault, code: row.optionalInt(column + 1),
            evidence: row.text(column + 2))
    }

    /// Reads `role, name, team`. An unknown role can only come from a damaged row: the one with the least rights then.
    static func principal(_ row: borrowing Statement, from column: CInt) -> Principal {
        Principal(
            role: Principal.Role(rawValue: row.text(column)) ?? .agent, name: row.text(column + 1),
            team: row.optionalText(column + 2))
    }
}
