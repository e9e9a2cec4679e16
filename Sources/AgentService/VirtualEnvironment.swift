/// How an empty environment of an interpreter is made: what `python -m venv` makes, with pip (and before Python 3.12 setuptools)
/// in it, but nothing of pip compiled before it is imported. Compiling all of pip is two thirds of what `python -m venv` takes
/// (8 s of CPU become 3 s for Python 3.11).
enum VirtualEnvironment {
    /// The commands, one after the other; `base` is the folder to fill.
    static func commands(python: String, base: String) -> [[String]] {
        [[python, "-m", "venv", "--without-pip", base], [base + "/bin/python", "-I", "-c", ensurePip]]
    }

    /// Python's own installer of pip, asked not to compile. It runs pip by a function of its own that every release so far has
    /// (Python 3.4 to 3.14); in one that has it no more, pip is compiled.
    private static let ensurePip = """
        import sys
        try:
            import ensurepip
        except ImportError:
            sys.exit("this Python has no ensurepip, which puts pip into an environment (Debian: apt-get install python3-venv)")
        run = getattr(ensurepip, "_run_pip", None)
        if run:
            ensurepip._run_pip = lambda arguments, *rest: run([*arguments, "--no-compile"], *rest)
        ensurepip.bootstrap(default_pip=True, upgrade=True)
        """
}
