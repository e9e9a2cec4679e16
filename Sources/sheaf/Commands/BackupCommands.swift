import CoordinatorService
import Model
import Storage
import Transport

extension Commands {
    static let backup = Command(
        name: "backup", summary: "copy a coordinator's state while it works",
        discussion: """
            The copy is one moment of the store, with everything that it names. Made again into the same folder it copies
            only what is new, and the copy before stays whole until the new one is. It holds the authority's key: keep it as safe as the farm itself.

              sheaf backup --state /var/lib/sheaf --into /backup/sheaf
            """,
        options: [
            .value("state", "FOLDER", "the coordinator's; .sheaf/farm by default"),
            .value("into", "FOLDER", "made where it is missing"),
        ],
        run: { arguments in
            let state = arguments.value("state") ?? ".sheaf/farm"
            let into = try arguments.required("into")
            let summary: Backup.Summary
            do {
                summary = try Backup.make(of: state, into: into, at: .wallClock())
            } catch {
                throw CommandFailure("\(state) could not be copied: \(error)", exitCode: exitCode(of: error))
            }
            Terminal.print("\(into): \(words(summary))")
            return .passed
        })

    static let restore = Command(
        name: "restore", summary: "make a coordinator's state from a backup",
        discussion: """
            Runs that came after the backup are not known to it; their numbers are left out, so that no other run gets them.
            One that was interrupted is gone on with by the same command. Agents and people keep their certificates. Start the coordinator on the new state, with the same addresses.

              sheaf restore --from /backup/sheaf --state /var/lib/sheaf
            """,
        options: [
            .value("from", "FOLDER", "what sheaf backup made"),
            .value("state", "FOLDER", "a folder that does not exist yet, or is empty; .sheaf/farm by default"),
        ],
        run: { arguments in
            let state = arguments.value("state") ?? ".sheaf/farm"
            let from = try arguments.required("from")
            let restored: Backup.Restored
            do {
                restored = try Backup.restore(from, to: state, at: .wallClock())
            } catch {
                throw CommandFailure("\(from) could not be restored: \(error)", exitCode: exitCode(of: error))
            }
            warn(restored.losses)
            Terminal.print("\(state): \(words(restored.summary))")
            Terminal.print(
                "\(Spelling.counted(restored.tokensVoided, "token")) for enrolment, unused in the backup, made void")
            let since = restored.takenAt.isEmpty ? "the backup was made" : restored.takenAt
            Terminal.print(
                "not known here is what was done after \(since): revoke again whom you have revoked since (sheaf revoke), "
                    + "and let enrol again who enrolled or renewed a certificate since (sheaf token create)")
            return .passed
        })

    private static func warn(_ losses: Backup.Losses) {
        let most = 20
        for (digests, what) in [(losses.damaged, "is damaged in the backup"), (losses.missing, "is not in the backup")]
        {
            for digest in digests.prefix(most) {
                Terminal.complain("warning: object \(digest.hex) \(what); it counts as absent")
            }
            if digests.count > most {
                Terminal.complain("warning: \(digests.count - most) objects more of which each \(what)")
            }
        }
        if let problem = losses.unchecked {
            Terminal.complain("warning: whether the backup has all objects could not be found out: \(problem)")
        }
    }

    /// A wrong folder is the caller's mistake, a failing disk is not.
    private static func exitCode(of error: any Error) -> ExitCode {
        switch error {
        case CoordinatorError.invalid, StorageError.inaccessible, StorageError.damaged, StorageError.newer: .usage
        default: .farm
        }
    }

    private static func words(_ summary: Backup.Summary) -> String {
        "\(Spelling.counted(summary.files, "file")), \(summary.copied) of them new (\(ByteCount(Int64(summary.copiedBytes))))"
            + (summary.mended > 0
                ? ", \(Spelling.counted(summary.mended, "damaged object")) of the last backup copied anew" : "")
    }
}
