import Artifacts
import Foundation
import Testing

@Suite struct `Upload paths` {
    struct Row {
        var lines: String
        var files: [String]
        /// Paths in the artifact.
        var packed: [String]
    }

    private func scan(_ lines: String, _ files: [String], hidden: Bool = false) throws -> TreeScan {
        let scratch = Scratch()
        try scratch.makeFolder("w")
        for file in files { try scratch.write("w/" + file, file) }
        let patterns = try PathPatterns(
            lines.replacingOccurrences(of: "WORKSPACE", with: scratch.url("w")), workspace: scratch.url("w"))
        return try TreeScan(of: scratch.folder("w"), .patterns(patterns, hidden: hidden))
    }

    @Test func `match as GitHub's action does`() throws {
        let dist = [
            "dist/a.js", "dist/a.map", "dist/sub/b.js", "dist/sub/deep/c.js", "top.txt", "logs/1.log", "logs/x.txt",
        ]
        let rows = [
            // One file: the artifact holds it at its root.
            Row(lines: "top.txt", files: dist, packed: ["top.txt"]),
            Row(lines: "dist/sub/b.js", files: dist, packed: ["b.js"]),
            Row(lines: "./dist/sub/b.js", files: dist, packed: ["b.js"]),
            Row(lines: "WORKSPACE/dist/sub/b.js", files: dist, packed: ["b.js"]),
            // One folder, with or without stars: paths start at what holds no star.
            Row(lines: "dist", files: dist, packed: ["a.js", "a.map", "sub/b.js", "sub/deep/c.js"]),
            Row(lines: "dist/", files: dist, packed: ["a.js", "a.map", "sub/b.js", "sub/deep/c.js"]),
            Row(lines: "dist/**", files: dist, packed: ["a.js", "a.map", "sub/b.js", "sub/deep/c.js"]),
            Row(lines: "dist/*", files: dist, packed: ["a.js", "a.map", "sub/b.js", "sub/deep/c.js"]),
            Row(lines: "dist/*.js", files: dist, packed: ["a.js"]),
            Row(lines: "dist/**/*.js", files: dist, packed: ["a.js", "sub/b.js", "sub/deep/c.js"]),
            Row(lines: "**/*.js", files: dist, packed: ["dist/a.js", "dist/sub/b.js", "dist/sub/deep/c.js"]),
            Row(lines: "dist/s?b/?.js", files: dist, packed: ["sub/b.js"]),
            Row(lines: "dist/[!x]*.[a-m]*", files: dist, packed: ["a.js", "a.map"]),
            Row(lines: "*/sub", files: dist, packed: ["dist/sub/b.js", "dist/sub/deep/c.js"]),
            Row(lines: "*.txt", files: dist, packed: ["top.txt"]),
            Row(lines: ".", files: ["a", "b/c"], packed: ["a", "b/c"]),
            // Several: they start at the least common ancestor.
            Row(lines: "dist/a.js\ndist/sub/b.js", files: dist, packed: ["a.js", "sub/b.js"]),
            Row(lines: "dist/a.js\nlogs/1.log\n", files: dist, packed: ["dist/a.js", "logs/1.log"]),
            Row(lines: "dist/sub\ndist/sub/b.js", files: dist, packed: ["b.js", "deep/c.js"]),
            Row(lines: "top.txt\ngone.txt", files: dist, packed: ["top.txt"]),
            // Exclusions, of which the later line wins.
            Row(lines: "dist\n!dist/**/*.map", files: dist, packed: ["a.js", "sub/b.js", "sub/deep/c.js"]),
            Row(lines: "dist\n!dist/sub", files: dist, packed: ["a.js", "a.map"]),
            Row(lines: "dist\n!dist/sub\ndist/sub/deep/c.js", files: dist, packed: ["a.js", "a.map", "sub/deep/c.js"]),
            Row(lines: "!dist/sub\ndist", files: dist, packed: ["a.js", "a.map", "sub/b.js", "sub/deep/c.js"]),
            Row(lines: "# a comment\n\n  dist/*.js  \n", files: dist, packed: ["a.js"]),
            // Names that start with a dot are left out below where the search begins.
            Row(lines: "d", files: ["d/.env", "d/a", "d/.git/x"], packed: ["a"]),
            Row(lines: "d/.env", files: ["d/.env"], packed: []),
            // Escapes, and what is not special here.
            Row(lines: #"a\*b"#, files: ["a*b", "axb"], packed: ["a*b"]),
            Row(lines: "a[", files: ["a["], packed: ["a["]),
            Row(lines: "{a,b}", files: ["{a,b}", "a"], packed: ["{a,b}"]),
            Row(lines: "[]]x", files: ["]x"], packed: ["]x"]),
            Row(lines: "日*", files: ["日本/x", "日"], packed: ["日", "日本/x"]),
            Row(lines: "nothing*", files: dist, packed: []),
        ]
        for row in rows { #expect(try scan(row.lines, row.files).paths == row.packed, "\(row.lines)") }
        #expect(try scan("d", ["d/.env", "d/.x/y"], hidden: true).paths == [".env", ".x/y"])
        #expect(try scan("d/.env", ["d/.env"], hidden: true).paths == [".env"])
    }

    @Test func `say which plain path matched nothing`() throws {
        #expect(try scan("a\ngone\nalso/gone\nno*", ["a"]).unmatched == ["gone", "also/gone"])
    }

    @Test func `that find nothing warn, fail or say nothing, as they are told`() throws {
        let patterns = try PathPatterns("gone/*.txt\n!x", workspace: nil)
        let nothing = try scan("gone/*.txt", ["a"])
        #expect(try nothing.warnings(.ignore, for: patterns).isEmpty)
        #expect(try nothing.warnings(.warn, for: patterns).count == 1)
        #expect(
            artifactError { _ = try nothing.warnings(.error, for: patterns) } == .nothingFound(patterns: ["gone/*.txt"])
        )
        #expect(try scan("a\ngone", ["a"]).warnings(.error, for: patterns) == ["`gone` matches no file"])
    }

    @Test func `may not leave the workspace`() throws {
        for line in ["../x", "a/../../x", "/etc/passwd", "!../x", "~/x", "~", "/"] {
            #expect(artifactError { _ = try PathPatterns("ok\n" + line, workspace: "/w") } == .outside(path: line))
        }
        #expect(
            artifactError { _ = try PathPatterns("/workspace/x", workspace: "/w") } == .outside(path: "/workspace/x"))
        #expect(artifactError { _ = try PathPatterns("/x", workspace: nil) } == .outside(path: "/x"))
        #expect(artifactError { _ = try PathPatterns("a/./b", workspace: "/w") }?.blame == .user)
        #expect(artifactError { _ = try PathPatterns("!a\n#b\n", workspace: "/w") }?.blame == .user)
    }

    @Test func `may not go through a link`() throws {
        let scratch = Scratch()
        try scratch.write("out/secret.txt", "x")
        try scratch.write("w/real/a.txt", "x")
        try scratch.link("w/escape", to: "../out")
        try scratch.link("w/alias", to: "real")
        for line in ["escape/secret.txt", "escape/*", "alias/a.txt", "alias/**/*.txt"] {
            let link = line.hasPrefix("escape") ? "escape" : "alias"
            let error = artifactError {
                _ = try TreeScan(of: scratch.folder("w"), .patterns(PathPatterns(line, workspace: nil), hidden: false))
            }
            guard case .throughLink(_, link) = error else {
                Issue.record("\(line): \(String(describing: error))")
                continue
            }
            // Once, and by the workspace: where that lies is nobody's business.
            let said = "\(String(describing: error))"
            #expect(said.components(separatedBy: link).count <= 3 && !said.contains(scratch.url("")), "\(said)")
        }
        // Stars do not follow links, and say so where it may matter.
        let scan = try TreeScan(
            of: scratch.folder("w"), .patterns(PathPatterns("**/*.txt", workspace: nil), hidden: false))
        #expect(scan.paths == ["real/a.txt"])
        #expect(scan.unfollowed == ["alias", "escape"])
    }

    @Test func `keep a link whose target is in the artifact, and refuse another`() throws {
        let scratch = Scratch()
        try scratch.write("w/d/run-1/m.txt", "x")
        try scratch.link("w/d/latest", to: "run-1")
        try scratch.link("w/d/run-1/same", to: "m.txt")
        try scratch.link("w/up", to: "d/run-1")
        let scan = { (lines: String) in
            try TreeScan(of: scratch.folder("w"), .patterns(PathPatterns(lines, workspace: nil), hidden: false)).paths
        }
        #expect(try scan("d") == ["latest", "run-1/m.txt", "run-1/same"])
        #expect(try scan("d\nup") == ["d/latest", "d/run-1/m.txt", "d/run-1/same", "up"])
        #expect(artifactError { _ = try scan("d/latest") } == .linkDangles(path: "latest", target: "run-1"))
        try scratch.link("w/d/out", to: "../up")
        #expect(artifactError { _ = try scan("d") } == .linkLeaves(path: "out", target: "../up"))
    }

    @Test func `take bounded time on hostile patterns`() throws {
        let stars = String(repeating: "*a", count: 500) + "b"
        let folders = Array(repeating: "**/a*", count: 60).joined(separator: "/") + "/b"
        let name = String(repeating: "a", count: 250)
        let deep = Array(repeating: "a", count: 90).joined(separator: "/")
        #expect(try scan(stars, [name]).paths == [])
        #expect(try scan(folders, [deep + "/c"]).paths == [])
    }
}
