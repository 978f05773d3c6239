using System.Diagnostics;
using System.Runtime.InteropServices;

namespace WalRus.Cli.Client;

/// <summary>Runs another program as if it had been started instead of this one.</summary>
internal static unsafe partial class ReplacedProcess
{
    /// <summary>
    /// On Linux it becomes this process, so that PostgreSQL's signals reach it; elsewhere this one waits for it.
    /// </summary>
    /// <param name="program">A path, or a name to look for on the PATH.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <returns>Its exit code; null when it could not be started. On Linux it returns only then.</returns>
    public static int? Run(string program, string[] arguments)
    {
        if (OperatingSystem.IsLinux())
        {
            var vector = (byte**)NativeMemory.AllocZeroed((nuint)(arguments.Length + 2), (nuint)sizeof(byte*));
            vector[0] = (byte*)Marshal.StringToCoTaskMemUTF8(program);
            for (var i = 0; i < arguments.Length; i++)
            {
                vector[i + 1] = (byte*)Marshal.StringToCoTaskMemUTF8(arguments[i]);
            }

            execvp(vector[0], vector);
            return null;
        }

        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { UseShellExecute = false });
            process?.WaitForExit();
            return process?.ExitCode;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int execvp(byte* file, byte** arguments);
}
