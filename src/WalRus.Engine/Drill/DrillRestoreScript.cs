namespace WalRus.Drill;

/// <summary>
/// The server's side of <see cref="DrillWalSource"/>. Exit codes as PostgreSQL takes them: 1 is the end of the archive,
/// above 125 recovery stops at once.
/// </summary>
internal static class DrillRestoreScript
{
    public const string WishFolder = "wish";
    public const string HaveFolder = "have";
    public const string NoneFolder = "none";
    public const string FailFolder = "fail";

    /// <summary>Waits for an answer as long as the drill's process lives: its folder goes with it, or nobody waits any more.</summary>
    private const string Shell =
        """
        # FOLDER NAME DESTINATION: asks the drill for a WAL file and waits for the answer.
        : > "$1/wish/$2" || exit 255
        turns=0
        while [ -d "$1/wish" ] && [ "$turns" -lt 100000 ]; do
            if [ -f "$1/have/$2" ]; then mv -f "$1/have/$2" "$3" && exit 0; exit 255; fi
            if [ -f "$1/none/$2" ]; then rm -f "$1/none/$2"; exit 1; fi
            if [ -f "$1/fail/$2" ]; then exit 255; fi
            sleep 0.02
            turns=$((turns + 1))
        done
        exit 255

        """;

    /// <summary>ping is the one program of every Windows that waits a moment and needs no console.</summary>
    private const string Batch =
        """
        @echo off
        type nul > "%~1\wish\%~2" || exit /b 255
        for /l %%i in (1,1,100000) do (
            if exist "%~1\have\%~2" ( move /y "%~1\have\%~2" "%~3" > nul && exit /b 0 || exit /b 255 )
            if exist "%~1\none\%~2" ( del "%~1\none\%~2" & exit /b 1 )
            if exist "%~1\fail\%~2" exit /b 255
            if not exist "%~1\wish" exit /b 255
            ping -n 1 127.0.0.1 > nul
        )
        exit /b 255

        """;

    public static string Text => OperatingSystem.IsWindows() ? Batch : Shell;

    public static string PathIn(string folder) =>
        Path.Combine(folder, OperatingSystem.IsWindows() ? "fetch.cmd" : "fetch.sh");

    /// <summary>For the file of settings: the folder is the drill's own choice but for its parent, so it is quoted.</summary>
    public static string Command(string folder) => OperatingSystem.IsWindows()
        ? $"\"{Doubled(PathIn(folder))}\" \"{Doubled(folder)}\" \"%f\" \"%p\""
        : $"sh {Quoted(PathIn(folder))} {Quoted(folder)} \"%f\" \"%p\"";

    private static string Quoted(string word) => $"'{Doubled(word).Replace("'", "'\\''", StringComparison.Ordinal)}'";

    private static string Doubled(string word) => word.Replace("%", "%%", StringComparison.Ordinal);
}
