extension String {
    /// The text's lines as they stand in its file, without the `\n` that ends each; a `\r` before it stays. The empty text is
    /// one empty line.
    ///
    /// To `split` at the character `\n` would be to miss every `\r\n`, which is a character of its own.
    package var linesOfFile: [Substring] {
        unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map { Substring($0) }
    }
}
