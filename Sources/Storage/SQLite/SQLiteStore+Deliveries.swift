package import Model

/// What is asked about effects outside of the farm.
extension SQLiteStore {
    package func delivery(key: String) throws(StorageError) -> DeliveryRecord? {
        try rows("\(Self.selectDelivery) WHERE key = ?", [.text(key)], Self.delivery).first
    }

    package func openDeliveries(after key: String?, most: Int) throws(StorageError) -> [DeliveryRecord] {
        try rows(
            "\(Self.selectDelivery) WHERE ended_at IS NULL AND key > ? ORDER BY key LIMIT ?",
            [.text(key ?? ""), .int(most)], Self.delivery)
    }

    package func deliveries(of run: RunID) throws(StorageError) -> [DeliveryRecord] {
        try rows("\(Self.selectDelivery) WHERE run = ? ORDER BY key", [.run(run)], Self.delivery)
    }

    private static let selectDelivery = """
        SELECT key, kind, run, body, intended_at, tries, due_at, reason, ended_at, receipt
        FROM deliveries
        """

    private static func delivery(_ row: borrowing Statement) -> DeliveryRecord {
        let ending = row.optionalInstant(8).map {
            DeliveryRecord.Ending(at: $0, receipt: row.optionalText(9), reason: row.text(7))
        }
        return DeliveryRecord(
            key: row.text(0), kind: row.text(1),
            run: row.isNull(2) ? nil : RunID(UInt64(bitPattern: row.int64(2))), body: row.blob(3),
            intendedAt: row.instant(4), dueAt: row.instant(6), tries: row.int(5),
            reason: ending == nil ? row.text(7) : "", ending: ending)
    }
}
